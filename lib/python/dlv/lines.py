"""Lines of versions: which one is meant, made if it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from .errors import DlvError

if TYPE_CHECKING:
    from .repository import Repo


def choose_line(repo: "Repo", model: Optional[str], branch: Optional[str]) -> str:
    """`model/branch` that versions go to, made if it is not there. HEAD may go elsewhere afterwards."""
    head = repo.status()["head"]
    if branch is not None and "/" in branch:
        first, _, branch = branch.partition("/")
        if model is not None and model != first:
            raise DlvError("DLV_USAGE", f"the branch is of {first!r}, the model is {model!r}", hint="leave model away")
        model = first
    lines = [row for row in repo.run("branch", "--all", repeat=True) if row["remote"] is None]
    model = model or head["model"]
    own = {row["branch"] for row in lines if row["model"] == model}
    if branch is None:
        if head["model"] == model and head["branch"] is not None:
            branch = head["branch"]
        elif not own or "main" in own:
            branch = "main"
        elif len(own) == 1:
            branch = next(iter(own))
        else:
            raise DlvError("DLV_USAGE", f"model {model!r} has the branches {', '.join(sorted(own))}", hint="name one with branch=")
    line = f"{model}/{branch}"
    if own and branch not in own and not (head["model"] == model and head["branch"] == branch):
        start = f"{model}/{head['branch']}" if head["model"] == model and head["branch"] in own else f"{model}/{'main' if 'main' in own else sorted(own)[0]}"
        repo.branch(line, start)
    return line
