"""`restore models`: the weights that came along."""

from restore_cli.base import give_up


def models() -> None:
    """List the weights that travel with the package, and what they score."""
    from restore.weights import WeightsError, entries

    try:
        known = entries()
    except WeightsError as error:
        give_up(str(error))
    rows = [("name", "task", "network", "size", "licence", "scores")]
    for entry in known.values():
        scores = ", ".join(f"{what} {value:g}" for what, value in entry.scores.items())
        rows.append((entry.name, entry.task, entry.network, f"{entry.bytes / 1e6:.1f} MB", entry.licence, scores))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
