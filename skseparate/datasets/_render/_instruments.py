"""The thirteen instruments of URMP: what they can play, and how often they meet."""

# Lowest and highest note of good players, as MIDI numbers at sounding pitch.
RANGES = {
    "vn": (55, 96),
    "va": (48, 84),
    "vc": (36, 76),
    "db": (28, 60),
    "fl": (60, 93),
    "ob": (58, 88),
    "cl": (50, 89),
    "bn": (34, 72),
    "hn": (41, 77),
    "tpt": (54, 84),
    "tbn": (40, 72),
    "tba": (28, 58),
    "sax": (49, 81),
}
# Stems of each in URMP: how often a part is given to it.
WEIGHTS = {
    "vn": 34, "tpt": 21, "fl": 18, "va": 13, "vc": 11, "sax": 11, "cl": 10,
    "tbn": 9, "ob": 6, "tba": 5, "hn": 5, "bn": 3, "db": 3,
}  # fmt: skip
# General MIDI programs, from 0.
PROGRAMS = {
    "vn": 40, "va": 41, "vc": 42, "db": 43, "tpt": 56, "tbn": 57, "tba": 58,
    "hn": 60, "sax": 65, "ob": 68, "bn": 70, "cl": 71, "fl": 73,
}  # fmt: skip
# Instruments that URMP has not, whose parts are called "other": program, lowest and highest note.
OTHERS = {
    "piano": (0, 36, 96), "harpsichord": (6, 36, 88), "vibraphone": (11, 53, 89), "organ": (19, 36, 84),
    "accordion": (21, 48, 88), "guitar": (24, 40, 79), "banjo": (105, 48, 84), "harp": (46, 36, 96),
    "choir": (52, 40, 79), "voice": (53, 45, 81), "english horn": (69, 52, 81), "recorder": (74, 67, 96),
}  # fmt: skip
OTHER = "other"
STRINGS = ("vn", "va", "vc", "db")
