"""The templates of the site, and the style and script that are part of every page."""
