"""``python -m audit`` is ``webex-audit``."""

import sys

if __name__ == "__main__":
    try:
        from audit.cli import main
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("audit"):
            raise
        # The folder of a checkout is on the path of a Python into which nothing was installed.
        sys.stderr.write(
            f"webex-audit: error: {error.name} is not installed for {sys.executable}: use the Python of the "
            "environment that webex-audit is installed in (docs/install.md)\n"
        )
        sys.exit(2)
    main()
