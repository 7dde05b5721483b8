#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/flow.md leads to what there is: each file exists, and each function is defined in one of the files its item names."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ITEM = re.compile(r"\n(?=\d+\. |- |\s*\n|#)")


def text_of(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def faults(item):
    names = re.findall(r"`([^`]+)`", item)
    files = [name for name in names if re.fullmatch(r"\w+/[\w/.-]+\.\w+", name)]
    for file in files:
        if not os.path.exists(os.path.join(TOP, file)):
            yield f"no file {file}"
    texts = [text_of(file) for file in files if os.path.exists(os.path.join(TOP, file))]
    for function in re.findall(r"`(\w+)\(\)`", item):
        if not any(re.search(rf"^[a-z].*\b\*?{function}\(", text, re.M) for text in texts):
            yield f"{function}() is not in {', '.join(files) or 'any file: none is named'}"


def main():
    found = [fault for item in ITEM.split(text_of("docs/flow.md")) for fault in faults(item)]
    print("\n".join(found) or "docs/flow.md: every name is where it says")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
