"""The site's templates, with their style and script, which are written into every page."""
