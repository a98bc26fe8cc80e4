"""Checks a compose file without Docker: its shape by the compose specification, and that what it refers to is there."""

import pathlib
import re
import sys

import compose_spec


def main(path: str) -> int:
    file = pathlib.Path(path)
    text = file.read_text()
    # Docker puts the environment in before it reads the file; here any value will do.
    values = re.sub(r"\$\{\w+(?:(:?[-?])([^}]*))?\}", lambda m: m[2] if m[1] and "-" in m[1] and m[2] else "x", text)
    try:
        compose = compose_spec.PyOptions(apply_merge=True).from_yaml(values)
        compose.validate()
    except ValueError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1

    problems = []
    document = compose.to_dict()
    services = document["services"]
    for name, service in services.items():
        for needed in service.get("depends_on") or {}:
            if needed not in services:
                problems.append(f"{name}: depends on {needed}, which is no service")
            elif "healthcheck" not in services[needed]:
                problems.append(f"{name}: waits for {needed}, which has no healthcheck")
        build = service.get("build")
        if build:
            folder = file.parent / build["context"]
            if not (folder / build["dockerfile"]).is_file():
                problems.append(f"{name}: no file {build['dockerfile']}")
        for mount in service.get("volumes") or []:
            source = mount.split(":")[0] if isinstance(mount, str) else mount.get("source", "")
            if source.startswith(".") and not (file.parent / source).exists():
                problems.append(f"{name}: no file {source}")

    example = (file.parent / ".env.example").read_text()
    told = set(re.findall(r"^#?\s?(\w+)=", example, re.MULTILINE))
    for variable in sorted(set(re.findall(r"\$\{(\w+)", text)) - told):
        problems.append(f"{variable} is not in .env.example")

    for problem in problems:
        print(f"{path}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
