import sys

from log_generator.cli import main

sys.exit(main())
