"""Where on a slide a target lies, and what one table tells of the other."""
