"""The examples in the help of the commands. A test runs them."""

#: By command: what an example is for, and the example. `cli` is webex-audit itself.
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "cli": (
        ("see what it does, without an account", "webex-audit demo"),
        ("check token, scopes and output before the first run", "webex-audit doctor"),
        ("audit the rooms of your organization", "webex-audit run"),
    ),
    "approve": (
        ("this is how it should be", 'webex-audit approve --reason "reviewed, ticket 4711"'),
        ("end the approval", 'webex-audit approve --withdraw --reason "rooms were rebuilt"'),
        ("who approved what, and when", "webex-audit approve --list"),
    ),
    "check": (
        ("what breaks the rules; exit code 1 for high and critical", "webex-audit check --fail-on high"),
        ("what opens more than the approved state", "webex-audit check --against approved --severity critical"),
        ("findings as test results for CI", "webex-audit check --format junit > findings.xml"),
        ("from now on, only what is new", "webex-audit check --write-baseline baseline.toml"),
    ),
    "completion": (
        ("bash: in ~/.bashrc", 'eval "$(webex-audit completion bash)"'),
        ("zsh: in ~/.zshrc, after compinit", 'eval "$(webex-audit completion zsh)"'),
        ("fish: in ~/.config/fish/config.fish", "webex-audit completion fish | source"),
    ),
    "demo": (("small, and without faults", "webex-audit demo --workspaces 60 --faults quirks"),),
    "diff": (
        ("since the last run", "webex-audit diff"),
        ("since somebody approved, exit code 1 if anything differs", "webex-audit diff approved latest --exit-code"),
        ("between two days, as a table", "webex-audit diff 20261121 latest --csv > changes.csv"),
    ),
    "doctor": (
        ("before the first run", "webex-audit doctor"),
        ("may the token read people in all organizations?", "webex-audit doctor --all-orgs --entity person"),
        ("for programs", "webex-audit doctor --json"),
    ),
    "help": (
        ("the options of run", "webex-audit help run"),
        ("what the words in coverage mean", "webex-audit help outcomes"),
        ("which scopes a token needs, for programs", "webex-audit help scopes --json"),
    ),
    "login": (
        (
            "in the browser, with an integration of yours",
            "webex-audit login --client-id C01234567 --client-secret-file secret",
        ),
        (
            "on a machine without a browser, for one customer",
            "webex-audit --profile customer-a login --device",
        ),
        ("who is signed in where", "webex-audit login --list"),
    ),
    "prune": (
        ("what would be removed", "webex-audit prune --keep-last 2 --dry-run"),
        ("a week, a year of months", "webex-audit prune --keep-daily 7 --keep-monthly 12"),
        ("what an auditor may ask for", "webex-audit prune --keep-within 400d"),
    ),
    "query": (
        ("tables and columns", "webex-audit query"),
        ("who may open which room", 'webex-audit query "FROM open_rooms"'),
        ("reads without an answer, as CSV", "webex-audit query \"FROM coverage WHERE outcome <> 'ok'\" --csv"),
    ),
    "report": (
        ("one HTML file for reviewers", "webex-audit report"),
        ("a workbook of what changed since the approval", "webex-audit report --against approved --file review.xlsx"),
        ("who may open which room, for Excel", "webex-audit report --format csv --csv-dialect excel"),
    ),
    "run": (
        ("the rooms of your organization", "webex-audit run"),
        ("and a report for reviewers", "webex-audit run --report report.html"),
        ("requests, time and scopes first; reads no settings", "webex-audit run --dry-run"),
        ("people, too, in all organizations", "webex-audit run --all-orgs --entity workspace --entity person"),
        ("at night: quiet, stop in time, go on where it stopped", "webex-audit -q run --resume --deadline 4h"),
        ("ask again what had no answer", "webex-audit run --retry-failed latest"),
    ),
    "show": (
        ("the last run", "webex-audit show"),
        ("that of a day: the first characters of an id", "webex-audit show 20261121"),
        ("for programs", "webex-audit show approved --json"),
    ),
    "simulate": (
        ("an API to practice on", "webex-audit simulate"),
        ("a busy one with faults", "webex-audit simulate --rate-limit 20 --faults all=0.05,quirks"),
        ("which faults there are", "webex-audit simulate --list-faults"),
    ),
    "snapshots": (
        ("those in ./snapshots", "webex-audit snapshots"),
        ("in another folder, for programs", "webex-audit --output archive snapshots --json"),
    ),
    "verify": (
        ("is it what was written, and is nothing missing?", "webex-audit verify"),
        ("is it signed by this key?", "webex-audit verify --public-key sign-key.pub"),
    ),
}
