import sys

from console.cli import main

sys.exit(main(sys.argv[1:]))
