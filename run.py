from keras_skeleton.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
