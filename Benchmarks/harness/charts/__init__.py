"""Charts as small SVG files, readable on light and dark pages."""
