"""The shell's commands that read a text and write another: cat, grep, head, sort, sed and so on.

Each reads the files that it is given, or its input; where more input may still come, it waits.
Messages are busybox' own.

In Kubernetes: no counterpart; there, images bring busybox or the GNU tools. Left out: most options,
and of awk and sed all but their most common form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubelab.runtime import control
from kubelab.runtime.textcommands import MISSING, path_of

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script


def _source(script: Script, name: str, words: list[str]) -> tuple[str | None, int]:
    """The text of files, or the input (None while it is not whole), and the status."""
    if not words or words == ["-"]:
        return script.take_all(), 0
    texts, status = [], 0
    for word in words:
        text = script.process.files.read(path_of(script, word))
        if text is None:
            script.error(f"{name}: {word}: {MISSING}")
            status = 1
        texts.append(text or "")
    return "".join(texts), status


def _split(args: list[str], values: str = "") -> tuple[str, dict[str, str], list[str]]:
    """Letters of options, the values of those that have one (`-n 5`, `-n5`), and the words."""
    letters, given, words, rest = "", {}, [], list(args)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-" or word.startswith("--"):
            words.append(word)
        elif word[1:].isdigit():
            given["n"] = word[1:]
        elif word[1] in values:
            given[word[1]] = word[2:] or (rest.pop(0) if rest else "")
        else:
            letters += word[1:]
    return letters, given, words


def cat(script: Script, args: list[str]) -> Any:
    """cat PATH…"""
    status, words = 0, [word for word in args if word == "-" or not word.startswith("-")]
    for word in words or ["-"]:
        if word == "-":
            # What has come is passed on at once, as from a keyboard.
            script.write(script.take_some())
            if script.expects:
                return control.READ
            continue
        path = path_of(script, word)
        text = script.process.files.read(path)
        if text is None and script.process.files.is_directory(path):
            script.error("cat: read error: Is a directory")
            status = 1
        elif text is None:
            script.error(f"cat: can't open '{word}': {MISSING}")
            status = 1
        else:
            script.write(text)
    return status


def grep(script: Script, args: list[str]) -> Any:
    """grep [-qviEoc] PATTERN [FILE…]."""
    flags, given, words = _split(args, "e")
    if "e" in given:
        words.insert(0, given["e"])
    if not words:
        return 2
    text, status = _source(script, "grep", words[1:])
    if text is None:
        return control.READ
    if status:
        return 2
    try:
        pattern = re.compile(words[0], re.IGNORECASE if "i" in flags else 0)
    except re.error:
        return 2
    lines = [line for line in text.splitlines() if bool(pattern.search(line)) != ("v" in flags)]
    if "c" in flags:
        script.write(f"{len(lines)}\n")
    elif "o" in flags:
        script.write("".join(f"{at[0]}\n" for line in lines for at in pattern.finditer(line)))
    elif "q" not in flags:
        script.write("".join(f"{line}\n" for line in lines))
    return int(not lines)


def awk(script: Script, args: list[str]) -> Any:
    """awk [-F C] '[/PATTERN/] {print $N, …}' [FILE]: that one form."""
    _, given, words = _split(args, "F")
    found = re.fullmatch(
        r"\s*(?:/(.*)/)?\s*\{\s*print\s*((?:\$\w+[\s,]*)*)\}\s*", (words or [""])[0]
    )
    if found is None:
        script.error("awk: only '/pattern/{print $N}' is known here")
        return 2
    text, status = _source(script, "awk", words[1:])
    if text is None:
        return control.READ
    for line in text.splitlines():
        if found[1] is None or re.search(found[1], line):
            fields = [line, *line.split(given.get("F") or None)]
            wanted = re.findall(r"\$(\w+)", found[2]) or ["0"]
            places = [len(fields) - 1 if word == "NF" else int(word) for word in wanted
                      if word == "NF" or word.isdigit()]  # fmt: skip
            shown = [fields[place] if place < len(fields) else "" for place in places]
            script.write(" ".join(shown) + "\n")
    return status


def tail(script: Script, args: list[str]) -> Any:
    """tail [-n N] [-c +N] [FILE…]; with -f it waits for ever."""
    if "-f" in args or "-F" in args:
        return control.wait(script, control.FOREVER_SECONDS)
    _, given, words = _split(args, "nc")
    text, status = _source(script, "tail", words)
    if text is None:
        return control.READ
    if "c" in given:
        number = given["c"].lstrip("+-")
        count = int(number) if number.isdigit() else 0
        script.write(text[count - 1 :] if given["c"].startswith("+") else text[-count:])
        return status
    number = given.get("n", "10")
    count = int(number.lstrip("+-")) if number.lstrip("+-").isdigit() else 10
    lines = text.splitlines()
    lines = lines[count - 1 :] if number.startswith("+") else lines[len(lines) - count :]
    script.write("".join(f"{line}\n" for line in (lines if count else [])))
    return status


def head(script: Script, args: list[str]) -> Any:
    """head [-n N] [FILE…]."""
    _, given, words = _split(args, "nc")
    text, status = _source(script, "head", words)
    if text is None:
        return control.READ
    if given.get("c", "").isdigit():
        script.write(text[: int(given["c"])])
        return status
    number = given.get("n", "10")
    count = int(number) if number.isdigit() else 10
    script.write("".join(f"{line}\n" for line in text.splitlines()[:count]))
    return status


def wc(script: Script, args: list[str]) -> Any:
    """wc [-lwc] [FILE]."""
    flags, _, words = _split(args)
    text, status = _source(script, "wc", words)
    if text is None:
        return control.READ
    size = len(text.encode("utf-8", "surrogateescape"))
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": size}
    shown = [str(number) for letter, number in counts.items() if letter in (flags or "lwc")]
    line = shown[0] if len(shown) == 1 else " ".join(word.rjust(9) for word in shown)
    script.write(" ".join([line, *words]) + "\n")
    return status


def sort(script: Script, args: list[str]) -> Any:
    """sort [-rnu] [FILE…]."""
    flags, _, words = _split(args, "kt")
    text, status = _source(script, "sort", words)
    if text is None:
        return control.READ
    lines = text.splitlines()
    lines.sort(key=_number if "n" in flags else str, reverse="r" in flags)
    lines = list(dict.fromkeys(lines)) if "u" in flags else lines
    script.write("".join(f"{line}\n" for line in lines))
    return status


def _number(line: str) -> tuple[float, str]:
    found = re.match(r"\s*-?\d+(\.\d+)?", line)
    return (float(found[0]) if found else 0.0, line)


def uniq(script: Script, args: list[str]) -> Any:
    """uniq [-c] [FILE]."""
    flags, _, words = _split(args)
    text, status = _source(script, "uniq", words)
    if text is None:
        return control.READ
    rows: list[list[Any]] = []
    for line in text.splitlines():
        if rows and rows[-1][1] == line:
            rows[-1][0] += 1
        else:
            rows.append([1, line])
    counts = "c" in flags
    script.write("".join(f"{count:7} {line}\n" if counts else f"{line}\n" for count, line in rows))
    return status


def cut(script: Script, args: list[str]) -> Any:
    """cut -d C -f N[,N…] [FILE]."""
    _, given, words = _split(args, "dfc")
    text, status = _source(script, "cut", words)
    if text is None:
        return control.READ
    mark, places = given.get("d") or "\t", given.get("f") or "1"
    wanted = [int(word) for word in re.findall(r"\d+", places)]
    for line in text.splitlines():
        fields = line.split(mark)
        shown = [fields[at - 1] for at in wanted if 0 < at <= len(fields)]
        script.write((line if mark not in line else mark.join(shown)) + "\n")
    return status


def tr(script: Script, args: list[str]) -> Any:
    """tr [-d] SET [SET]."""
    text = script.take_all()
    if text is None:
        return control.READ
    flags, _, words = _split(args)
    sets = [_letters(word) for word in words] or [""]
    if "d" in flags:
        script.write("".join(letter for letter in text if letter not in sets[0]))
        return 0
    other = sets[1] if len(sets) > 1 else ""
    table = {letter: other[min(at, len(other) - 1)] for at, letter in enumerate(sets[0]) if other}
    script.write("".join(table.get(letter, letter) for letter in text))
    return 0


def _letters(text: str) -> str:
    """A set of letters: `a-z` is all between, `\\n` an end of a line."""
    text = text.replace("\\n", "\n").replace("\\t", "\t")
    return re.sub(r"(.)-(.)", lambda at: "".join(map(chr, range(ord(at[1]), ord(at[2]) + 1))), text)


def sed(script: Script, args: list[str]) -> Any:
    """sed [-i] [-n] 's/A/B/[g]' [FILE…]: that one form, and 'Np'."""
    flags, given, words = _split(args, "e")
    if "e" in given:
        words.insert(0, given["e"])
    rule = words[0] if words else ""
    found = re.fullmatch(r"s(.)(.*?)(?<!\\)\1(.*?)(?<!\\)\1([gi]*)", rule)
    one = re.fullmatch(r"(\d+)p", rule)
    if found is None and one is None:
        script.error("sed: only 's/a/b/' is known here")
        return 1
    text, status = _source(script, "sed", words[1:])
    if text is None:
        return control.READ
    lines = text.splitlines()
    if one is not None:
        lines = lines[int(one[1]) - 1 : int(one[1])]
    elif found is not None:
        other = re.sub(r"(?<!\\)&", r"\\g<0>", found[3])
        lines = [re.sub(found[2], other, line, count=int("g" not in found[4])) for line in lines]
    changed = "".join(f"{line}\n" for line in lines)
    if "i" in flags and words[1:]:
        script.process.files.write(path_of(script, words[1]), changed)
    else:
        script.write(changed)
    return status


def tee(script: Script, args: list[str]) -> Any:
    """tee [-a] FILE…: the input goes on, and into files."""
    text = script.take_all()
    if text is None:
        return control.READ
    flags, _, words = _split(args)
    for word in words:
        script.process.files.write(path_of(script, word), text, append="a" in flags)
    script.write(text)
    return 0


def read(script: Script, args: list[str]) -> Any:
    """read [-r] NAME…: a line of the input into variables."""
    line = script.take_line()
    if line is None:
        return control.READ
    names = [word for word in args if not word.startswith("-")] or ["REPLY"]
    words = line.split(None, len(names) - 1)
    for at, name in enumerate(names):
        script.variables[name] = words[at].rstrip("\n").rstrip() if at < len(words) else ""
    return int(not line)


COMMANDS: dict[str, Any] = {
    "cat": cat, "grep": grep, "egrep": grep, "awk": awk, "tail": tail, "head": head, "wc": wc,
    "sort": sort, "uniq": uniq, "cut": cut, "tr": tr, "sed": sed, "tee": tee, "read": read,
}  # fmt: skip
