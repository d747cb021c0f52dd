"""``eval.also``: the tasks of several suites in one evaluation. Settings such as the limit stay those of the first."""

import dataclasses

from ecomgpt.common.errors import UserError, suggestion
from ecomgpt.config import files
from ecomgpt.config.check import construct, parse
from ecomgpt.config.schema import EvalConfig


def joined(suite: EvalConfig, own: str | None) -> EvalConfig:
    """The suite with the tasks of those that ``also`` names; its name tells them all.

    Args:
        suite: As chosen.
        own: The user's own configuration folder.

    Raises:
        UserError: For unknown names, with the nearest.
    """
    roots = files.search_roots([f"paths.conf={own}"] if own else [])
    known = files.options("eval", roots)
    unknown = [name for name in suite.also if name not in known]
    if unknown:
        raise UserError(
            *(f"eval.also: no suite '{name}' in conf/eval{suggestion(name, list(known))}" for name in unknown)
        )
    tasks, mixture, names = list(suite.tasks), list(suite.mixture), suite.name.split("+")
    for name in suite.also:
        found = files.check_file(known[name], EvalConfig)
        if found:
            raise UserError(*found)
        other = construct(parse(known[name])[0])
        tasks += other.get("tasks") or []
        mixture += other.get("mixture") or []
        names.append(name)
    return dataclasses.replace(
        suite,
        name="+".join(dict.fromkeys(names)),
        tasks=list(dict.fromkeys(tasks)),
        mixture=list(dict.fromkeys(mixture)),
    )
