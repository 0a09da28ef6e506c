"""Weight files of every Keras version, of the released code of MANs, and of I3D."""
