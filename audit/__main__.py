"""``python -m audit`` is ``webex-audit``."""

import sys

from audit.errors import not_installed

if __name__ == "__main__":
    try:
        from audit.cli import main
    except ModuleNotFoundError as error:
        if not (told := not_installed(error)):
            raise
        sys.stderr.write(f"webex-audit: error: {told}\n")
        sys.exit(told.exit_code)
    main()
