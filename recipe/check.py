"""Checks the recipe with rattler-build's own parser: ``make lint-recipe``.

Renders it for every system, each with every Python of ``variants.yaml``, and asks for what
conda-forge asks of a recipe. Prints what it would build, and what is wrong; ends with status 1 if
anything is. Needs no network.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rattler_build import JinjaConfig, PlatformConfig, RenderConfig, Stage0Recipe, VariantConfig

HERE = Path(__file__).parent
PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "win-arm64")


def rendered(platform: str) -> list[dict]:
    """The packages of a system, as rattler-build understands the recipe."""
    config = PlatformConfig(
        target_platform=platform, build_platform=platform, host_platform=platform
    )
    variants = VariantConfig.from_file_with_context(
        HERE / "variants.yaml", JinjaConfig(platform=config)
    )
    recipe = Stage0Recipe.from_file(HERE / "recipe.yaml")
    return [variant.recipe.to_dict() for variant in recipe.render(variants, RenderConfig(config))]


def faults(package: dict) -> list[str]:
    """What conda-forge would not take: its own linter comes as a conda package only."""
    about, requirements = package.get("about", {}), package.get("requirements", {})
    found = [
        f"about/{key} is missing" for key in ("homepage", "license", "summary") if key not in about
    ]
    found += [
        f"license file {name} is not there"
        for name in about.get("license_file", ["LICENSE"])
        if name != "THIRDPARTY.yml" and not (HERE.parent / name).is_file()
    ]
    if not package.get("tests"):
        found.append("there are no tests")
    if not package.get("extra", {}).get("recipe-maintainers"):
        found.append("extra/recipe-maintainers is empty")
    for section, needs in requirements.items():
        names = [need.split()[0] for need in needs]
        if section != "run_constraints":
            found += [
                f"{section} names {name} twice" for name in set(names) if names.count(name) > 1
            ]
        found += [f"{section}: {name} has capitals" for name in names if name != name.lower()]
        found += [
            f"{section}: {need!r}: bounds need a space before, none within"
            for need in needs
            if len(need.split()) > 3
        ]
    if "cargo-bundle-licenses" not in requirements.get("build", []):
        found.append("licences of the crates are not bundled")
    return found


def main() -> int:
    wrong = []
    for platform in PLATFORMS:
        packages = rendered(platform)
        print(f"{platform}: {len(packages)} packages, one for each Python")
        wrong += [f"{platform}: {fault}" for package in packages for fault in faults(package)]
        if not packages:
            wrong.append(f"{platform}: nothing would be built")
    for line in sorted(set(wrong)):
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
