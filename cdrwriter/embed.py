# SPDX-License-Identifier: Apache-2.0
"""Turn a text file into a C string:  embed.py INPUT OUTPUT NAME"""
import sys

source, target, name = sys.argv[1:]
with open(source, encoding="utf-8") as f:
    lines = f.read().splitlines()
with open(target, "w", encoding="utf-8") as f:
    f.write(f"/* Generated from {source.rsplit('/', 1)[-1]}. */\nextern const char {name}[];\nconst char {name}[] =\n")
    for line in lines:
        f.write('\t"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '\\n"\n')
    f.write("\t;\n")
