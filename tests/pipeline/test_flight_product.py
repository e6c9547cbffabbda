"""What a calibrated exposure of flight is: its files, their arrays, and their metadata."""

import pickle
import re
from pathlib import Path

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.cli import main
from romancal_rs.datamodels import ImageModel, WfiWcsModel, testing
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.stpipe import Run

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
N_RESULTANTS, N_ROWS, N_COLS = 6, 64, 128
#: Rows and columns without the border.
SHAPE = (N_ROWS - 8, N_COLS - 8)

#: What an image holds in its file: type, and shape.
ARRAYS = {
    "data": ("float32", SHAPE),
    "dq": ("uint32", SHAPE),
    **dict.fromkeys(("err", "var_poisson", "var_rnoise", "chisq", "dumo"), ("float16", SHAPE)),
    "amp33": ("uint16", (N_RESULTANTS, N_ROWS, 128)),
    **{
        f"border_ref_pix_{side}": ("float32", (N_RESULTANTS, *shape))
        for side, shape in {
            **dict.fromkeys(("left", "right"), (N_ROWS, 4)),
            **dict.fromkeys(("top", "bottom"), (4, N_COLS)),
        }.items()
    },
    **dict.fromkeys(("dq_border_ref_pix_left", "dq_border_ref_pix_right"), ("uint32", (N_ROWS, 4))),
    **dict.fromkeys(("dq_border_ref_pix_top", "dq_border_ref_pix_bottom"), ("uint32", (4, N_COLS))),
}

#: What the metadata must have, by block.
METADATA = {
    "": """calibration_software_name calibration_software_version product_type filename file_date
        model_type origin prd_version sdf_software_version telescope wcs""",
    "coordinates": "reference_frame",
    "ephemeris": """ephemeris_reference_frame type time spatial_x spatial_y spatial_z velocity_x
        velocity_y velocity_z""",
    "exposure": """type start_time end_time engineering_quality ma_table_id nresultants data_problem
        frame_time exposure_time effective_exposure_time ma_table_name ma_table_number read_pattern
        truncated hga_move""",
    "guide_star": """guide_window_id guide_mode window_xstart window_xstop window_ystart
        window_ystop guide_star_id epoch""",
    "instrument": "name detector optical_element",
    "observation": """observation_id visit_id program execution_plan pass segment observation visit
        visit_file_group visit_file_sequence visit_file_activity exposure wfi_parallel""",
    "pointing": """pa_aperture pointing_engineering_source ra_v1 dec_v1 pa_v3 target_aperture
        target_ra target_dec""",
    "program": "title investigator_name category subcategory science_category",
    "ref_file": """crds apcorr area dark darkdecaysignal distortion epsf mask flat gain
        inverselinearity linearity integralnonlinearity photom readnoise refpix saturation""",
    "ref_file.crds": "version context",
    "rcs": "active electronics bank led counts",
    "velocity_aberration": "ra_reference dec_reference scale_factor",
    "visit": "dither type start_time nexposures internal_target",
    "visit.dither": "primary_name subpixel_name executed_pattern",
    "wcsinfo": "aperture_name v2_ref v3_ref vparity v3yangle ra_ref dec_ref roll_ref s_region",
    "photometry": "conversion_megajanskys conversion_megajanskys_uncertainty pixel_area",
    "cal_step": """assign_wcs flat_field dark dark_decay dq_init flux linearity photom
        source_catalog ramp_fit refpix saturation outlier_detection tweakreg skymatch
        wfi18_transient""",
}
#: What series 2.2.0 has besides.
OF_2_2_0 = {"ref_file": "bam", "visit": "wfi_acm_z_defocus_size"}
NOT_YET = ("flux", "source_catalog", "outlier_detection", "tweakreg", "skymatch")


def raw_of(series: str, path: Path, directory: Path) -> Path:
    """The exposure as one of a series."""
    with datamodels.open(path) as given:
        raw = given.copy()
    raw._tree.tag = f"{raw.tag.rpartition('-')[0]}-{series}"
    if series == "2.2.0":
        raw.meta.ref_file.bam = "?"
        raw.meta.visit.wfi_acm_z_defocus_size = None
    return raw.save(directory / path.name)


@pytest.fixture(scope="module", params=["2.1.0", "2.2.0"])
def made(request, simulated, tmp_path_factory):
    """Series, and files by suffix."""
    directory = tmp_path_factory.mktemp("made")
    run = Run(
        ExposurePipeline(
            references=str(simulated.references), output_dir=str(directory), save_results=True
        )
    )
    run(raw_of(request.param, simulated.exposure, tmp_path_factory.mktemp("raw")))
    return request.param, {path.stem.rpartition("_")[2]: path for path in run.saved_files}


def test_the_image_is_saved_and_then_its_wcs(made):
    series, files = made
    assert list(files) == ["cal", "wcs"]
    for path, kind in zip(files.values(), ("wfi_image", "wfi_wcs"), strict=True):
        with datamodels.open(path) as model:
            assert model.tag.endswith(f"/{kind}-{series}")
            model.validate()


def test_the_mission_library_validates_both(made):
    import roman_datamodels.datamodels as rdm

    _, files = made
    for path, model_class in zip(files.values(), (rdm.ImageModel, rdm.WfiWcsModel), strict=True):
        with rdm.open(path) as theirs:
            assert type(theirs) is model_class
            theirs.validate()


def test_the_wcs_product_is_that_of_the_image(made):
    _, files = made
    with datamodels.open(files["cal"]) as image, datamodels.open(files["wcs"]) as product:
        x, y = np.meshgrid(np.linspace(0, SHAPE[1] - 1, 9), np.linspace(0, SHAPE[0] - 1, 9))
        np.testing.assert_array_equal(product.wcs_l2(x, y), image.meta.wcs(x, y))
        np.testing.assert_array_equal(product.wcs_l1(x + 4, y + 4), image.meta.wcs(x, y))
        box = product.wcs_l1.bounding_box.bounding_box(order="F")
        assert box == ((-0.5, N_COLS - 0.5), (-0.5, N_ROWS - 0.5))
        assert product.meta.wcsinfo.s_region == image.meta.wcsinfo.s_region
        assert product.meta.product_type == "l2"


def test_the_arrays_have_the_types_and_shapes_of_level_2(made):
    series, files = made
    expected = {**ARRAYS, **({"dq2": ("uint32", SHAPE)} if series == "2.2.0" else {})}
    with asdf.config_context() as config:
        config.validate_on_read = False
        with asdf.open(files["cal"], ignore_unrecognized_tag=True) as file:
            found = {
                name: (array.dtype.name, array.shape)
                for name, array in file["roman"].items()
                if hasattr(array, "dtype")
            }
            # Of a length that depends on how many hits there are.
            kind, (_, n_axes) = found.pop("jump_indices")
            assert (kind, n_axes) == ("int16", 3)
            assert found == expected
            if series == "2.2.0":
                assert not np.any(file["roman"]["dq2"])


def test_coefficients_of_the_wcs_are_in_the_head(made):
    """The blocks of an image's file are its images."""
    series, files = made
    head = files["cal"].read_bytes().partition(b"\n...")[0].decode()
    blocks = sorted(int(number) for number in re.findall(r"\bsource: (\d+)", head))
    assert "transform/polynomial-" in head
    assert blocks == list(range(len(ARRAYS) + 1 + (series == "2.2.0")))  # and jump_indices


def test_the_metadata_are_complete(made):
    series, files = made
    with datamodels.open(files["cal"]) as image:
        for block, names in METADATA.items():
            wanted = set(names.split())
            if series == "2.2.0" and block in OF_2_2_0:
                wanted.add(OF_2_2_0[block])
            content = image.meta[block] if block else image.meta
            assert wanted <= set(content), block
        assert (image.meta.product_type, image.meta.model_type) == ("l2", "ImageModel")
        assert image.meta.wcs is not None
        assert image.meta.cal_logs
        if series == "2.2.0":
            assert image.meta.visit.wfi_acm_z_defocus_size is None


def test_steps_and_references_that_had_no_part_say_so(made):
    series, files = made
    with datamodels.open(files["cal"]) as image:
        for name in NOT_YET:
            assert image.meta.cal_step[name] == "INCOMPLETE"
        done = set(METADATA["cal_step"].split()) - {*NOT_YET, "wfi18_transient"}
        assert {image.meta.cal_step[name] for name in done} == {"COMPLETE"}
        unused = ["apcorr", "area", "epsf", *(["bam"] if series == "2.2.0" else [])]
        assert {image.meta.ref_file[name] for name in unused} == {"?"}


def test_the_photometry_is_that_of_the_reference(made, simulated):
    _, files = made
    (path,) = simulated.references.glob("*_photom_*")
    with datamodels.open(files["cal"]) as image, datamodels.open(path) as reference:
        row = reference.phot_table["F158"]
        assert dict(image.meta.photometry) == {
            "conversion_megajanskys": row["photmjsr"],
            "conversion_megajanskys_uncertainty": row["uncertainty"],
            "pixel_area": row["pixelareasr"],
        }


# --- whether, and where, the WCS is saved


def names(directory: Path) -> list[str]:
    return sorted(path.stem.rpartition("_")[2] for path in directory.iterdir())


def run(exposure, references, directory, **parameters):
    return ExposurePipeline.call(
        str(exposure),
        **{"references": str(references), "output_dir": str(directory), "save_results": True}
        | parameters,
    )


def test_save_wcs_switches_it_off(simulated, tmp_path):
    run(simulated.exposure, simulated.references, tmp_path, save_wcs=False)
    assert names(tmp_path) == ["cal"]


def test_the_recipe_of_2022_has_none(tmp_path):
    (exposure,) = SEED_ERA.glob("*_uncal.asdf")
    run(exposure, SEED_ERA, tmp_path)
    assert names(tmp_path) == ["cal"]


def test_an_image_without_a_wcs_has_none(simulated, tmp_path):
    steps = {"assign_wcs": {"skip": True}}
    run(simulated.exposure, simulated.references, tmp_path, steps=steps)
    assert names(tmp_path) == ["cal"]


def test_it_is_saved_only_where_the_image_is(simulated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(simulated.exposure, simulated.references, tmp_path, save_results=False)
    assert names(tmp_path) == []


def test_its_name_derives_from_that_of_the_image(simulated, tmp_path):
    for options, expected in (
        ({"output_file": "mine.asdf"}, ["mine_cal.asdf", "mine_wcs.asdf"]),
        ({"output_file": "a_wcs.asdf"}, ["a_cal.asdf", "a_wcs.asdf"]),
        ({"output_file": "b.asdf", "suffix": "own"}, ["b_own.asdf", "b_wcs.asdf"]),
    ):
        directory = tmp_path / expected[0]
        run(simulated.exposure, simulated.references, directory, **options)
        assert sorted(path.name for path in directory.iterdir()) == expected


def test_what_goes_wrong_with_it_leaves_the_image_and_no_half_file(
    simulated, tmp_path, monkeypatch
):
    def fails(self, tree):
        raise OSError("no space left")

    monkeypatch.setattr(WfiWcsModel, "_before_writing", fails)
    with pytest.raises(OSError, match="no space left"):
        run(simulated.exposure, simulated.references, tmp_path)
    assert names(tmp_path) == ["cal"]


def test_the_command_line_tells_both_files(simulated, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["run", "roman_elp", str(simulated.exposure), f"--references={simulated.references}"]
    assert main(words) == 0
    root = simulated.exposure.stem.removesuffix("_uncal")
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"wrote {root}_cal.asdf",
        f"wrote {root}_wcs.asdf",
    ]


# --- content that no schema knows


def test_an_image_keeps_the_samples_that_were_hit(tmp_path):
    """`jump_indices`, int16: resultant, row and column of each."""
    hits = np.array([[1, 0, 5], [2, 3, 4], [5, 7, 0]], np.int16)
    image = ImageModel(testing.create_wfi_image())
    image.jump_indices = hits
    path = image.save(tmp_path / "x_cal.asdf")
    with datamodels.open(path) as again:
        models = [image.copy(), again, again.copy(), pickle.loads(pickle.dumps(again))]
        for model in models:
            assert model.jump_indices.dtype == np.int16
            np.testing.assert_array_equal(model.jump_indices, hits)
    import roman_datamodels.datamodels as rdm

    with rdm.open(path) as theirs:
        theirs.validate()
        assert theirs.jump_indices.dtype == np.int16
        np.testing.assert_array_equal(theirs.jump_indices, hits)


def test_none_was_hit(tmp_path):
    image = ImageModel(testing.create_wfi_image())
    image.jump_indices = np.zeros((0, 3), np.int16)
    with datamodels.open(image.save(tmp_path / "x_cal.asdf")) as again:
        assert again.jump_indices.shape == (0, 3)
        assert again.jump_indices.dtype == np.int16
