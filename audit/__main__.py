"""``python -m audit`` is ``webex-audit``."""

from audit.cli import main

if __name__ == "__main__":
    main()
