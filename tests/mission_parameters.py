"""Reads from wheels of romancal which steps and parameters it has; writes them as JSON.

    pip download --no-deps romancal==1.1.0 stpipe==1.1.0
    python tests/mission_parameters.py romancal-1.1.0*.whl stpipe-1.1.0*.whl

Nothing of the wheels runs: their source is parsed. What a spec is computed of (that of tweakreg) is
left out. The JSON files in `data/mission` are those of romancal 1.1.0 with stpipe 1.1.0, and of
romancal 0.8.1 with stpipe 0.4.2.
"""

import ast
import json
import sys
import zipfile

from configobj import ConfigObj
from configobj.validate import Validator

#: Of the classes, what is told; the rest of the source is passed over.
TOLD = ("spec", "class_alias", "reference_file_types", "step_defs")


def classes(wheels):
    """What is told of each class that says it, by the class's name."""
    found = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".py") and "/tests/" not in name and "/regtest/" not in name:
                    for node in ast.walk(ast.parse(archive.read(name))):
                        if isinstance(node, ast.ClassDef):
                            told = {**dict(assignments(node)), **dict(suffix_of(node))}
                            if told:
                                found[node.name] = told
    return found


def assignments(node):
    for statement in node.body:
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        name = getattr(targets[0], "id", None)
        if name == "step_defs":
            pairs = zip(statement.value.keys, statement.value.values, strict=True)
            yield name, {key.value: last_name(value) for key, value in pairs}
        elif name in TOLD and isinstance(statement.value, ast.Constant | ast.List):
            yield name, ast.literal_eval(statement.value)


def suffix_of(node):
    """What a step calls its products, where it sets that as it runs."""
    for statement in ast.walk(node):
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            target = statement.targets[0]
            if last_name(target) == "suffix" and last_name(getattr(target, "value", 0)) == "self":
                yield "suffix", statement.value.value


def last_name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def parameters(spec):
    """Type and default of each parameter of a spec; the words of an option are its type."""
    validator = Validator()
    config = ConfigObj(spec.splitlines(), interpolation=False, list_values=False, _inspec=True)
    found = {}
    for name, check in config.items():
        kind, words, _, default = validator._parse_with_caching(check.partition("#")[0].strip())
        if default == "None":
            default = None
        elif default is not None and kind in ("boolean", "integer", "float"):
            default = validator.functions[kind](default)
        found[name] = {"type": [*words] if kind == "option" else kind, "default": default}
    return found


def main(wheels):
    found = classes(wheels)
    steps = {}
    pipeline = found["ExposurePipeline"]
    for name, cls in {**pipeline["step_defs"], "roman_elp": "ExposurePipeline"}.items():
        told = found[cls]
        steps[name] = {
            "class": cls,
            "alias": told.get("class_alias"),
            "references": sorted(told.get("reference_file_types", [])),
            "suffix": told.get("suffix"),
            "parameters": parameters(told.get("spec", "")),
        }
    common = {}
    for name in ("Step", "RomanStep"):
        common |= parameters(found.get(name, {}).get("spec", ""))
    json.dump({"common": common, "steps": steps}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
