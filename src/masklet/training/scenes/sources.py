"""Freely licensed pictures the bundled model learns from: which packages hold them and how to fetch them.

Nothing here is a segmentation data set. Cut-outs (pictures with an alpha channel) give exact masks when they
are pasted on photographs; desktop backgrounds and children's programs give the photographs. The licences in
`PACKAGES` are those of the packages' `debian/copyright` or `package.json` (scikit-image and scikit-learn: as stated
beside the pictures), read when the list was made.

Of gcompris, `debian/copyright` names the pictures of `erase`, `categorization`, `clickgame`, `details` and
most of the animals one by one; those of `explore_monuments` and `explore_world_music` fall under its default,
GPL-3+. Carved pictures (see `carve_webp`) bear no file names, so none is matched to its own entry.

`fetch` downloads and unpacks without installing anything (`apt-get download` and `dpkg -x`, `npm pack`);
`masklet.training.scenes.prepare` turns the unpacked folders into packed arrays.
"""

import struct
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path.home() / ".cache" / "masklet" / "training"
"""Folder that pictures are fetched to, unpacked and prepared in."""


@dataclass(frozen=True, kw_only=True)
class SourcePackage:
    """One package of pictures: where it comes from, under which licence, and what it is used for."""

    name: str
    registry: str
    """`debian` or `npm`."""
    licence: str
    """As the package states it; brackets name what a licence covers."""
    use: str
    """`cutouts`; `backgrounds`, every picture; `photographs`, those named in PHOTOGRAPHS alone."""

    @property
    def folder(self) -> str:
        """Name of the folder the package is unpacked to (npm scopes lose their slash)."""
        return self.name.lstrip("@").replace("/", "-")


PACKAGES: tuple[SourcePackage, ...] = (
    SourcePackage(name="tuxpaint-stamps-default", registry="debian", licence="GPL-2", use="cutouts"),
    SourcePackage(
        name="openclipart-png", registry="debian", licence="public domain dedication (Creative Commons)", use="cutouts"
    ),
    SourcePackage(
        name="fonts-noto-color-emoji", registry="debian", licence="OFL-1.1 (font), Apache-2.0 (the rest)", use="cutouts"
    ),
    SourcePackage(
        name="@lobehub/fluent-emoji-3d", registry="npm", licence="MIT (Microsoft Fluent Emoji)", use="cutouts"
    ),
    SourcePackage(
        name="gnome-backgrounds",
        registry="debian",
        licence="CC-BY-SA-3.0 (adwaita*), GPL-2+ (package)",
        use="backgrounds",
    ),
    SourcePackage(
        name="mate-backgrounds", registry="debian", licence="GPL-2+, CC-BY-SA-4.0 (Ubuntu-Mate-*)", use="backgrounds"
    ),
    SourcePackage(name="plasma-workspace-wallpapers", registry="debian", licence="GPL-2+", use="backgrounds"),
    SourcePackage(
        name="lomiri-wallpapers-16.04",
        registry="debian",
        licence="by picture: CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0",
        use="backgrounds",
    ),
    SourcePackage(name="lomiri-wallpapers-20.04", registry="debian", licence="CC-BY-SA-3.0", use="backgrounds"),
    SourcePackage(name="ukui-wallpapers", registry="debian", licence="CC-BY-SA-3.0", use="backgrounds"),
    SourcePackage(
        name="gcompris-qt-data",
        registry="debian",
        licence="by picture: GPL-2+, GPL-3+, CC-BY-1.0 to 3.0, CC-BY-SA-2.0 to 4.0, CC0-1.0, public domain, GFDL-1.2",
        use="photographs",
    ),
    SourcePackage(name="tuxpaint-data", registry="debian", licence="GPL-2+", use="photographs"),
    SourcePackage(
        name="python3-skimage",
        registry="debian",
        licence="CC0-1.0 or public domain; coins: no known restrictions",
        use="photographs",
    ),
    SourcePackage(name="python3-sklearn", registry="debian", licence="CC-BY-2.0", use="photographs"),
)
"""All packages; the one list of their licences."""

_PHOTOGRAPHS = """
    Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Picture_0B_by_freespace Picture_1A_by_freespace Wine_by_Jakkub_Mede
    aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi greentock_by_Peter_Nerlich
    life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi seeding_by_Clements_Engelhardt
    sunset_by_Aitzol_Berasategi Kleiber_by_Lukas_Baubkus
    Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings Wood YellowFlower
    BytheWater ColdRipple ColorfulCups EveningGlow FallenLeaf Grey Kite OneStandsOut Path summer_1am Volna Autumn
    burnt_bark cliff corn_maze jellyfish lighthouse mossy_bark mossy_log mudstone ocean_splash ocean_waves
    redwoods_above rocks sheep spiders_web sun_behind_clouds sun_behind_leaves trees_above trees_at_dusk
    wool_mill_machine reef-back skyline-sf-dusk-back
    astronaut camera coins rocket china flower
"""
PHOTOGRAPHS: frozenset[str] = frozenset(_PHOTOGRAPHS.split())
"""Backgrounds that are photographs, by stem (plasma: by the folder's name), chosen by eye.

Only these have regions worth learning. scikit-image's chelsea and coffee are left out: the examples show them, and a
picture that was learned from shows nothing. Every other background is a drawing or a gradient, a backdrop alone.
"""

_PHOTO_ACTIVITIES = (
    *("categorization", "clickgame", "details", "erase", "explore_farm_animals", "explore_monuments"),
    *("explore_world_animals", "explore_world_music"),
)
"""Activities of gcompris whose pictures are photographs (some of `details` are paintings, as rich in regions)."""

_MIN_CARVED_BYTES = 9000
"""Smaller pictures are icons."""


def fetch(root: Path, packages: tuple[SourcePackage, ...] = PACKAGES) -> None:
    """Download `packages` to `root/archives` and unpack them to `root/unpacked`; what is there is kept.

    RuntimeError, with the tool's own words, if a package cannot be downloaded.
    """
    archives, unpacked = root / "archives", root / "unpacked"
    archives.mkdir(parents=True, exist_ok=True)
    for package in packages:
        target = unpacked / package.folder
        if target.exists() and any(target.iterdir()):
            continue
        archive = _find_archive(archives, package) or _download(archives, package)
        target.mkdir(parents=True, exist_ok=True)
        if package.registry == "debian":
            _call(["dpkg", "-x", str(archive), str(target)], archives)
            for activity in _PHOTO_ACTIVITIES if package.name == "gcompris-qt-data" else ():
                carve_webp(next(target.rglob(f"{activity}.rcc")), target / "pictures")
        else:
            with tarfile.open(archive) as file:
                file.extractall(target, filter="data")


def _find_archive(archives: Path, package: SourcePackage) -> Path | None:
    pattern = f"{package.name}_*.deb" if package.registry == "debian" else f"{package.folder}-*.tgz"
    return next(iter(sorted(archives.glob(pattern))), None)


def _download(archives: Path, package: SourcePackage) -> Path:
    if package.registry not in ("debian", "npm"):
        raise ValueError(f"unknown registry {package.registry!r} of package {package.name!r}")
    command = ["apt-get", "download"] if package.registry == "debian" else ["npm", "pack", "--silent"]
    _call([*command, package.name], archives)
    archive = _find_archive(archives, package)
    if archive is None:
        raise RuntimeError(f"{package.name}: the download left no archive in {archives}")
    return archive


def _call(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError(f"{command[0]} is not installed; it is needed to fetch the training pictures") from error
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


def carve_webp(resource: Path, folder: Path) -> int:
    """Write the WebP pictures that lie uncompressed in a Qt resource file to `folder`; returns how many."""
    data, count, start = resource.read_bytes(), 0, -1
    folder.mkdir(parents=True, exist_ok=True)
    while (start := data.find(b"RIFF", start + 1)) >= 0:
        if data[start + 8 : start + 12] != b"WEBP":
            continue
        size = struct.unpack("<I", data[start + 4 : start + 8])[0] + 8
        if size >= _MIN_CARVED_BYTES:
            (folder / f"{resource.stem}-{count:03d}.webp").write_bytes(data[start : start + size])
            count += 1
    return count


def is_photograph(path: Path) -> bool:
    """Whether a background picture is known to be a photograph."""
    return background_name(path) in PHOTOGRAPHS or path.stem.rpartition("-")[0] in _PHOTO_ACTIVITIES


def background_name(path: Path) -> str:
    """Name of a background picture: the wallpaper's folder where the file is named by its size, else the stem."""
    return path.parts[-4] if "contents" in path.parts else path.stem


def find_backgrounds(root: Path) -> list[Path]:
    """Background pictures under `root/unpacked`: one file a name, the largest, without screenshots."""
    best: dict[str, Path] = {}
    for package in PACKAGES:
        if package.use == "cutouts":
            continue
        for path in sorted((root / "unpacked" / package.folder).rglob("*")):
            wanted = path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and path.is_file()
            if not wanted or "screenshot" in path.name or "doc" in path.parts:
                continue
            if package.use == "photographs" and not is_photograph(path):
                continue
            name = background_name(path)
            if name not in best or path.stat().st_size > best[name].stat().st_size:
                best[name] = path
    return [best[name] for name in sorted(best)]
