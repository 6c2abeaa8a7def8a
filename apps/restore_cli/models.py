"""`restore models`: the weights that came along."""

from restore_cli.base import give_up


def models() -> None:
    """List the weights that are shipped, and what they score."""
    from restore.weights import WeightsError, entries

    try:
        known = entries()
    except WeightsError as error:
        give_up(str(error))
    for number, entry in enumerate(known.values()):
        print("\n" * (number > 0) + f"{entry.name}: {entry.task}, network {entry.network}, {entry.bytes / 1e6:.1f} MB, {entry.licence}")
        width = max(map(len, entry.scores), default=0)
        for what, value in entry.scores.items():
            print(f"  {what.ljust(width)}  {value:g}")
