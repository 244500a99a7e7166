"""The fault catalogue: everything that can be wrong with a dataset, its meaning and its outcome.

Fault            one kind of fault: its code (used in manifests and rejects.jsonl), its fate and its meaning
Exclusion        why a valid pair is not built: the options exclude it
RecordError      raised when a fault rejects the record (common/errors.py shows the exception hierarchy)
Tally            counts of faults, with a few paths as examples

To add a fault, add a member here and raise or record it in one place; the tables of `prep inspect`, `prep report` and
the docs are generated from it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_EXAMPLES = 3


class Fate(StrEnum):
    """The outcome for a record with a fault."""

    REPAIRED = "repaired"
    """The fault is corrected and counted; the sample is made"""
    REJECTED = "rejected"
    """No sample is made: the code, the file and the remedy go to rejects.jsonl, or to annotate's review.csv"""
    NOTED = "noted"
    """The fault is only counted: nothing is changed, or a file or row that no record needs is skipped"""


_REPAIRED, _REJECTED, _NOTED = Fate.REPAIRED, Fate.REJECTED, Fate.NOTED


class Fault(StrEnum):
    """Code, fate, meaning. The codes are a contract: codes of repaired faults and of rejects are stored with shards."""

    fate: Fate
    meaning: str

    def __new__(cls, code: str, fate: Fate, meaning: str) -> Fault:
        """Make a member whose value is its code alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.fate, member.meaning = fate, meaning
        return member

    # How the files of a dataset fit together
    MISSING_PERSON_IMAGE = "missing-person-image", _REJECTED, "a pair names a person's image that is missing"
    MISSING_PERSON_POSE = "missing-person-pose", _REJECTED, "a person's image without a pose file"
    MISSING_PERSON_PARSE = "missing-person-parse", _REJECTED, "a person's image without a parse file or label map"
    MISSING_PRODUCT_IMAGE = "missing-product-image", _REJECTED, "a pair names a garment without an image of that side"
    MISSING_PRODUCT_POSE = "missing-product-pose", _REJECTED, "a product's image without a pose file"
    MISSING_PRODUCT_PARSE = "missing-product-parse", _REJECTED, "a product's image without a parse file or mask"
    PICTURE_WITHOUT_PAIR = "picture-without-pair", _NOTED, "a person's image that no list of pairs names"
    LABEL_WITHOUT_PICTURE = "label-without-picture", _NOTED, "a label file without its image"
    BAD_PAIR = "bad-pair", _NOTED, "a row of a list that names no usable pair; skipped"
    UNKNOWN_CATEGORY = "unknown-category", _NOTED, "a row of a table with a category of no known kind; skipped"
    REPEATED_PAIR = "repeated-pair", _REPAIRED, "a pair that is listed twice; used once"
    UNPAIRED_ROW = "unpaired-row", _REPAIRED, "a row pairs a person with another garment; the worn one is used"
    WORN_UNKNOWN = (
        "worn-unknown",
        _NOTED,
        "no list or row names the garment that the person wears; skipped without --unpaired",
    )
    CONFLICTING_PAIRS = "conflicting-pairs", _NOTED, "a list pairs one person with several garments; skipped"
    BAD_ITEM_ID = "bad-item-id", _NOTED, "a row with an unusable item id; the item is skipped"

    # Files and names
    OLDER_DUPLICATE = "older-duplicate", _NOTED, "the same file again, older or in an archive; skipped"
    DOTTED_NAME = "dotted-name", _NOTED, "a name with an extra dot; matched by its whole stem"
    BAD_NAME = "bad-name", _NOTED, "a name that does not fit the layout or cannot become a key; skipped"
    TOO_LARGE = "too-large", _REJECTED, "absurdly large, or a decompression bomb; never read"
    OUTSIDE = "outside", _REJECTED, "a link or a name that leads out of the dataset"
    UNREADABLE_FILE = "unreadable-file", _REJECTED, "cannot be read, or is damaged in its archive"
    UNEXPECTED_ERROR = "unexpected-error", _REJECTED, "an error that no rule foresees; please report it"
    ENCRYPTED_MEMBER = "encrypted-member", _REJECTED, "protected by a password in its zip"
    UNSAFE_NAME = "unsafe-name", _NOTED, "an absolute name, '..' or a backslash in a zip or tar; skipped"
    LINKED_MEMBER = "linked-member", _NOTED, "a link, a device or a sparse file in a zip or tar; skipped: unpack it"
    LINKED_FOLDER = "linked-folder", _NOTED, "a link to a folder; skipped, unless --follow-links is given"
    NOT_A_FILE = "not-a-file", _NOTED, "neither a file nor a folder; skipped"
    TAR_IN_STORE = "tar-in-store", _NOTED, "a tar in an object store, which is not read there; skipped: unpack it"
    OTHER_ARCHIVE = "other-archive", _NOTED, "a compressed tar, 7z or rar, which is not read; skipped: unpack it"
    NESTED_ZIP = "nested-zip", _NOTED, "an archive in a zip or tar, or a part of one; skipped: unpack it"
    REPEATED_MEMBER = "repeated-member", _REPAIRED, "two members of an archive with one name; the last is used"

    # Texts
    UTF_8_BOM = "utf-8-bom", _REPAIRED, "UTF-8 with a byte order mark; read as such"
    CP949_TEXT = "cp949-text", _REPAIRED, "text in cp949; read as such"
    CP1252_TEXT = "cp1252-text", _REPAIRED, "text in cp1252; read as such"
    UTF_16_TEXT = "utf-16-text", _REPAIRED, "text in UTF-16; read as such"

    # Images
    BAD_IMAGE = "bad-image", _REJECTED, "a truncated image, or not an image"
    CORRUPT_IMAGE = "corrupt-image", _REJECTED, "a JPEG with missing or corrupt data, of which libjpeg warns"
    UNUSUAL_PIXELS = "unusual-pixels", _REJECTED, "pixels in floating point, or 16 bits that are mostly unused"
    TRANSPARENT_IMAGE = "transparent-image", _REPAIRED, "an image that is transparent in places; shown on white"
    TURNED_IMAGE = "turned-image", _REPAIRED, "an image on its side with upright labels; turned upright"
    EXIF_TURNED = "exif-turned", _REPAIRED, "stored on its side, with an EXIF orientation; turned upright"
    MPO_IMAGE = "mpo-image", _REPAIRED, "several images in one JPEG file; the first is read"
    CMYK_IMAGE = "cmyk-image", _REPAIRED, "a CMYK JPEG; converted to RGB"
    SIXTEEN_BIT_IMAGE = "sixteen-bit-image", _REPAIRED, "16 bits per channel; the upper 8 are read"
    SIZE_MISMATCH = "size-mismatch", _REJECTED, "labels for an image of another size"

    # Poses
    BAD_POSE = "bad-pose", _REJECTED, "invalid pose: not JSON, wrong number of points, NaN or absurdly large"
    NO_PERSON_POSE = "no-person-pose", _REJECTED, "a person's pose file without a known keypoint"
    NO_PRODUCT_POSE = "no-product-pose", _REJECTED, "a product's pose file without a known landmark"
    FOREIGN_POSE = "foreign-pose", _REJECTED, "keypoints off the person: of another image or another size"
    NO_SHOULDERS = "no-shoulders", _REJECTED, "no known shoulders where the head's label includes the neck"
    SEVERAL_PEOPLE = "several-people", _REPAIRED, "several people; the labelled one is used, --strict rejects it"
    OTHER_GRID = "other-grid", _REPAIRED, "keypoints for an image of another size; scaled to where the person is"
    SWAPPED_SIDES = "swapped-sides", _REPAIRED, "left and right joints are swapped; exchanged"
    DOUBTFUL_VIEW = "doubtful-view", _NOTED, "the joints show another view than the file states; unchanged"
    NORMALISED_LANDMARKS = "normalised-landmarks", _REPAIRED, "landmarks in fractions of the image; scaled"
    NESTED_LANDMARKS = "nested-landmarks", _REPAIRED, "landmarks as [x, y, v] each; flattened"
    MISSING_IMAGE_SIZE = "missing-image-size", _REPAIRED, "no image_size in the file; the image's own size is used"
    VIEW_MISMATCH = "view-mismatch", _REPAIRED, "a file named as a back, with a front's view_point; the name is used"
    CATEGORY_MISMATCH = "category-mismatch", _REPAIRED, "category_id and category_name disagree; neither is used"
    COPIED_LABELS = "copied-labels", _REJECTED, "labels of the product's other side under this name"

    # Parses
    BAD_PARSE = "bad-parse", _REJECTED, "invalid parse: cannot be decoded, no polygons, or an unknown label"
    EMPTY_PARSE = "empty-parse", _REJECTED, "an empty parse, label map or mask"
    COLOUR_PARSE = "colour-parse", _REJECTED, "a parse in colours of no known palette; a *_vis copy is skipped"
    PAINTED_PARSE = "painted-parse", _REPAIRED, "a parse in a palette's colours; turned back into labels"
    AVERAGED_PARSE = "averaged-parse", _REPAIRED, "a label map averaged along its borders; the nearest labels are used"
    BLURRED_PARSE = "blurred-parse", _REJECTED, "a label map averaged beyond repair, by JPEG or a smooth filter"
    DEGENERATE_POLYGON = "degenerate-polygon", _REPAIRED, "a polygon of fewer than 3 points; skipped"
    FLAT_POLYGON = "flat-polygon", _REPAIRED, "a polygon as x, y, x, y, …; read as pairs"
    REPEATED_REGION = "repeated-region", _REPAIRED, "two regions of one name or number; merged"
    REGION_NUMBERS = "region-numbers", _NOTED, "the numbers of the regions have gaps; read anyway"
    UNKNOWN_REGION = "unknown-region", _REPAIRED, "a region without a known name; skipped"

    # Labels checked against the image and each other
    TURNED_LABELS = "turned-labels", _REPAIRED, "labels turned or mirrored against their image; turned back"
    DOUBTFUL_LABELS = "doubtful-labels", _NOTED, "pose and label map agree only in part; unchanged"
    OTHER_TABLE = "other-table", _REJECTED, "a label map that fits its pose by another label table alone"
    LABELS_OUTSIDE = "labels-outside", _REJECTED, "labels outside the image, or much larger than it"
    GARMENT_NOT_WORN = "garment-not-worn", _REJECTED, "no region of the listed garment in the parse"
    NO_GARMENT = "no-garment", _REJECTED, "no garment in a product's image, or too small a one"
    STRAY_CLOTH = "stray-cloth", _REPAIRED, "cloth of the garment under another label, by its colour; hidden in Ia"
    MISLABELLED_GARMENT = "mislabelled-garment", _REJECTED, "too much of the garment lies under other labels"
    AMBIGUOUS_LAYERS = "ambiguous-layers", _REJECTED, "list, parse and colours disagree on which top is outermost"
    INVERTED_MASK = "inverted-mask", _REPAIRED, "a garment's mask with black for the garment; inverted"
    MASK_CHANNEL = "mask-channel", _REPAIRED, "a garment's mask in one channel, or a cut-out picture; read from there"
    GREY_MASK = "grey-mask", _REPAIRED, "a garment's mask of other levels than black and white; divided between them"
    TORN_MASK = "torn-mask", _REPAIRED, "a garment's mask with cracks, holes or scraps; closed"
    RECOMPUTED_MASK = "recomputed-mask", _REPAIRED, "a garment's mask that does not fit its photograph; made anew"
    LOOSE_MASK = "loose-mask", _NOTED, "a garment's mask over much that looks like the background; used as it is"
    WRONG_MASK = "wrong-mask", _REJECTED, "a mask that is not the photograph's garment, on no plain background"
    GRABCUT_GARMENT = "grabcut-garment", _NOTED, "a garment too faint for its colour alone; cut out by GrabCut"
    UNCLEAR_GARMENT = "unclear-garment", _REJECTED, "a garment that cannot be separated from its background"
    UNSURE_LANDMARKS = "unsure-landmarks", _NOTED, "landmarks derived from an outline that does not show them plainly"

    # Limits of the user's own, see `Filters`
    SMALL_IMAGE = "small-image", _REJECTED, "an image smaller than --min-size"
    LONG_IMAGE = "long-image", _REJECTED, "an image longer for its width, or wider, than --max-aspect"
    SMALL_PERSON = "small-person", _REJECTED, "a person smaller than --min-person"
    BLURRED_IMAGE = "blurred-image", _REJECTED, "a person's photograph less sharp than --min-sharpness"
    DARK_IMAGE = "dark-image", _REJECTED, "a person's photograph darker than --min-light"
    LIGHT_IMAGE = "light-image", _REJECTED, "a person's photograph lighter than --max-light"
    GREY_IMAGE = "grey-image", _REJECTED, "a person's photograph with less colour than --min-colour"
    UNSURE_JOINTS = "unsure-joints", _REJECTED, "a pose less sure than --min-confidence"

    # Photographs, by `prep annotate`
    NO_PERSON = "no-person", _REJECTED, "no person is found in a photograph"
    HIDDEN_JOINTS = "hidden-joints", _REJECTED, "shoulders and hips are not all found in a photograph"
    NO_BACKGROUND = "no-background", _REJECTED, "a garment that fills its photograph"
    UNSURE_POSE = "unsure-pose", _REJECTED, "an estimated pose below the required confidence"
    UNSURE_PERSON = "unsure-person", _REJECTED, "an estimated person's mask below the required confidence"
    UNSURE_CLOTHES = "unsure-clothes", _REJECTED, "an estimated clothes parse below the required confidence"
    UNSURE_GARMENT = "unsure-garment", _REJECTED, "an estimated garment's mask below the required confidence"


class Exclusion(StrEnum):
    """Why a valid pair is not built: the options (--garment, --limit, --distinct, …) exclude it. Not a fault."""

    INNER_LAYER = "inner-layer"
    UPPER_GARMENT = "upper-garment"
    LOWER_GARMENT = "lower-garment"
    DRESS_GARMENT = "dress-garment"
    SIDE_VIEW = "side-view"
    BACK_VIEW = "back-view"
    DISTANT_VIEWS = "distant-views"
    NOT_DRAWN = "not-drawn"
    NEAR_DUPLICATE = "near-duplicate"
    BETWEEN_SPLITS = "between-splits"


class RecordError(Exception):
    """The record cannot become a sample.

    ``reason`` is the fault, ``path`` the faulty file (relative to the dataset), ``detail`` the problem and its repair.
    """

    def __init__(self, reason: Fault, path: str, detail: str) -> None:
        super().__init__(f"{reason}: {path}: {detail}")
        self.reason = reason
        self.path = path
        self.detail = detail

    def __reduce__(self) -> tuple[type[RecordError], tuple[Fault, str, str]]:
        return type(self), (self.reason, self.path, self.detail)


@dataclass
class Tally:
    """The count of each fault, and the first paths that have it."""

    counts: Counter[Fault] = field(default_factory=Counter)
    examples: dict[Fault, list[str]] = field(default_factory=dict)

    def note(self, fault: Fault, path: str) -> None:
        """Count ``fault`` once, at ``path``."""
        self.counts[fault] += 1
        examples = self.examples.setdefault(fault, [])
        if len(examples) < _EXAMPLES:
            examples.append(shown(path))

    def add(self, other: Tally) -> None:
        """Add the counts and examples of ``other``."""
        self.counts.update(other.counts)
        for fault, paths in other.examples.items():
            examples = self.examples.setdefault(fault, [])
            examples += paths[: _EXAMPLES - len(examples)]

    def document(self, known: tuple[Fault, ...]) -> dict[str, dict[str, object]]:
        """Return code → count and examples as JSON, for every fault in ``known`` and any other that was counted."""
        return {
            fault.value: {"count": self.counts[fault], "examples": self.examples.get(fault, [])}
            for fault in dict.fromkeys((*known, *self.counts))
        }


def shown(path: str) -> str:
    """Return a path that can be printed on one line: unprintable characters become '?'."""
    return path if path.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in path)
