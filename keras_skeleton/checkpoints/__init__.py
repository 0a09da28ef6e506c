"""Weight files: of every Keras version, of the released codes, of I3D."""
