"""Writes pyyaml_scalars.tsv: plain scalars and what PyYAML's safe_load makes of them.

    python3 pyyaml_scalars.py > pyyaml_scalars.tsv       (made with PyYAML 6.0.3)
"""

import itertools

import yaml

WORDS = ["yes", "no", "on", "off", "true", "false", "null", "y", "n", "t", "f", "none", "nan", "inf"]
LISTED = """
~ = << - + . .. ... ._ 1_ _1 -_1 1__0 1_000 -1_000 +1_000 0 00 000 -0 +0 07 08 010 -010 +010 0_10 0_8 0o10 0O10
0b0 0b101 -0b101 0b1_0 0b2 0b 0b_ 0B1 0x0 0xff 0xFF -0xFf 0xF_F 0xg 0x 0x_ 0X1 1:30 -1:30 +1:30 1:60 1:59 1:5 1:05 0:30 01:30
190:20:30 1:2:3:4 1:30.5 -1:30.5 190:20:30.15 1:30. 1:30.5_5 0:0.5 1_0:30 1.5 -1.5 +1.5 1. -1. .5 -.5 +.5 ._5 .5_ 1_0.5 1._5 1.5_5
1e4 1e-4 1E-4 1e+4 1.e4 1.e+4 1.0e4 1.0e+4 1.0E+4 1.0e-4 -1.0e-4 1.5e+300 1.5e+400 1.5e-400 .5e1 .5e+1 .5e-1 -.5e-1 1.5e 1.5e+ 1.5e+_1
.inf .Inf .INF .iNf -.inf +.inf -.Inf .nan .NaN .NAN .Nan -.nan +.nan .e+1 ..5 1.2.3 1..2 0.0 -0.0 0.1 00.5 08.5 1_2_3.4_5
9223372036854775807 9223372036854775808 -9223372036854775808 18446744073709551616 123456789012345678901234567890
0x7fffffffffffffff 0x8000000000000000 0777777777777777777777 01777777777777777777777 1:00 100:00 24:00:00 12:30:45
2001-12-14 2001-1-1 2001-12-14T21:59:43.10Z 2001-12-14t21:59:43 2024-13-45 1-2 0-7 0-7,12 1,000 1,5 1/2 1% 50% $1 1e 1f 1d 1L 0.5f
infinity NaN Infinity -inf +inf nan -nan e1 1e1e1 1e--1 1e++1 --1 ++1 -+1 +-1 1- 1+ -a +a .a a. a.b 0a 0_ 0__ 00_ 0_0 0b_1 0b1_ 0x_f 0xf_
""".split()


def scalars():
    seen = set()
    generated = ["".join(parts) for parts in itertools.product(["", "-"], ["0", "1", "12", "1_2"], ["", ".", ".5", ":3", ":30.5"], ["", "e1", "e+1"])]
    cased = [form for word in WORDS for form in (word, word.title(), word.upper(), word[0] + word[1:].upper())]
    for text in cased + LISTED + generated:
        if text not in seen:
            seen.add(text)
            yield text


def verdict(text):
    # The resolver and constructor alone, so that scalars which other syntax would claim can be asked about too.
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    try:
        value = loader.construct_object(yaml.ScalarNode(tag, text))
    except Exception:
        return "error", ""
    if value is None:
        return "null", ""
    kind = type(value).__name__
    return (kind, repr(value)) if kind in ("bool", "int", "float") else ("str" if kind == "str" else "timestamp", "")


print("# Plain scalar, type and value by PyYAML " + yaml.__version__ + "; written by pyyaml_scalars.py.")
for text in scalars():
    print(text, *verdict(text), sep="\t")
