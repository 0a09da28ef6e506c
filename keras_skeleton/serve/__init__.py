"""The local page that labels a dropped film."""
