"""The steps on small models, with values worked out by hand.

Ramps are 16 x 16 pixels; (8, 8) is a science pixel, and pixels differ only where a test says so.
"""

from pathlib import Path

import numpy as np
import old_files
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.dark_current import DarkCurrentStep, ma_tables_agree
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.errors import ArgumentTypeError, InputError
from romancal_rs.flatfield import FlatFieldStep
from romancal_rs.jump import JumpStep
from romancal_rs.linearity import LinearityStep
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.ramp_fitting import RampFitStep
from romancal_rs.references import ReferenceMismatchError
from romancal_rs.saturation import SaturationStep
from romancal_rs.stpipe import ParameterError

IMAGE = (16, 16)
EVEN = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
UNEVEN = [[1], [2, 3], [5, 6, 7]]
FRAME_TIME = 3.0


def ramp_of(samples, read_pattern) -> datamodels.RampModel:
    """A ramp whose pixels all have these samples [DN]."""
    data = np.broadcast_to(np.float32(samples)[:, None, None], (len(samples), *IMAGE)).copy()
    node = testing.create_ramp(
        data=data, read_pattern=read_pattern, meta={"exposure.frame_time": FRAME_TIME}
    )
    return datamodels.RampModel(node)


def reference(reftype, **arrays):
    create = getattr(testing, f"create_{reftype}")
    return datamodels.reference_model(reftype)(create(shape=IMAGE, **arrays))


def full(value, dtype=np.float32):
    return np.full(IMAGE, value, dtype)


@pytest.fixture
def gain():
    return datamodels.GainRefModel(testing.create_gain(shape=IMAGE, data=full(2.0)))


@pytest.fixture
def read_noise():
    return datamodels.ReadnoiseRefModel(testing.create_readnoise(shape=IMAGE, data=full(5.0)))


@pytest.fixture
def read_noise_of_2022(tmp_path):
    meta = old_files.reference_meta("READNOISE")
    meta["exposure"] = {"type": "WFI_IMAGE", "p_exptype": "WFI_IMAGE|"}
    content = {"meta": meta, "data": full(5.0)}
    path = tmp_path / "readnoise_2022.asdf"
    return old_files.write(path, "reference_files/readnoise", content, "0.13.0")


class TestDQInit:
    def mask(self, **flags):
        dq = full(0, np.uint32)
        dq[8, 8] = dqflags.DEAD
        dq[0, 3] = dqflags.REFERENCE_PIXEL
        return datamodels.MaskRefModel(testing.create_mask(shape=IMAGE, dq=dq))

    def test_a_raw_exposure_becomes_a_flagged_ramp(self):
        data = np.arange(2 * 256, dtype=np.uint16).reshape(2, *IMAGE)
        raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=data))
        ramp = DQInitStep.call(raw, override_mask=self.mask())
        assert isinstance(ramp, datamodels.RampModel)
        assert ramp.data.dtype == np.float32
        assert np.array_equal(ramp.data, data)
        assert ramp.pixeldq[8, 8] == dqflags.DEAD
        assert ramp.pixeldq.sum() == dqflags.DEAD + dqflags.REFERENCE_PIXEL
        assert not ramp.groupdq.any()
        assert ramp.meta.cal_step.dq_init == "COMPLETE"

    def test_the_border_is_copied_with_its_corners(self):
        data = np.arange(2 * 256, dtype=np.uint16).reshape(2, *IMAGE)
        raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(data=data))
        ramp = DQInitStep.call(raw, override_mask=self.mask())
        assert np.array_equal(ramp.border_ref_pix_left, data[:, :, :4])
        assert np.array_equal(ramp.border_ref_pix_right, data[:, :, 12:])
        assert np.array_equal(ramp.border_ref_pix_top, data[:, :4])
        assert np.array_equal(ramp.border_ref_pix_bottom, data[:, 12:])
        assert ramp.dq_border_ref_pix_top[0, 3] == dqflags.REFERENCE_PIXEL
        assert ramp.dq_border_ref_pix_left[0, 3] == dqflags.REFERENCE_PIXEL
        assert not ramp.dq_border_ref_pix_right.any()
        ramp.data[:] = -1  # a correction later on does not reach the copies
        assert np.array_equal(ramp.border_ref_pix_left, data[:, :, :4])

    @pytest.mark.parametrize("exposure_type", sorted(datamodels.GUIDE_STAR_TYPES))
    def test_guide_star_flags_go_to_dq(self, exposure_type):
        node = testing.create_wfi_science_raw((2, *IMAGE), exposure_type=exposure_type)
        ramp = DQInitStep.call(datamodels.ScienceRawModel(node), override_mask=self.mask())
        assert ramp.dq[8, 8] == dqflags.DEAD
        assert not ramp.pixeldq.any()

    def test_without_a_mask_the_ramp_is_still_made(self):
        raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw((2, *IMAGE)))
        ramp = DQInitStep.call(raw, override_mask="N/A")
        assert isinstance(ramp, datamodels.RampModel)
        assert ramp.meta.cal_step.dq_init == "SKIPPED"
        assert ramp.meta.ref_file.mask == "N/A"


class TestSaturation:
    def test_flags_from_the_first_sample_at_the_threshold(self):
        ramp = ramp_of([10, 100, 50], UNEVEN)
        saturation = datamodels.SaturationRefModel(
            testing.create_saturation(shape=IMAGE, data=full(100.0))
        )
        result = SaturationStep.call(ramp, override_saturation=saturation)
        assert result.groupdq[:, 8, 8].tolist() == [0, dqflags.SATURATED, dqflags.SATURATED]
        assert not ramp.groupdq.any()  # what the caller passed is as it was

    def test_growth_is_a_parameter(self):
        ramp = ramp_of([10, 20, 30], UNEVEN)
        ramp.data[2, 8, 8] = 200
        saturation = datamodels.SaturationRefModel(
            testing.create_saturation(shape=IMAGE, data=full(100.0))
        )
        result = SaturationStep.call(ramp, override_saturation=saturation, n_pix_grow_sat=1)
        assert np.count_nonzero(result.groupdq[2] & dqflags.SATURATED) == 9
        assert not result.groupdq[:2].any()

    def test_what_is_saturated_in_part_is_a_parameter(self):
        # Reads 1 | 2, 3 | 5, 6, 7. By mean_read the second is too high from 100 * 2.5 / 3 DN on, by
        # concave because the line through it is at 4 + (84 - 4) * 2 / 1.5 DN by read 3.
        saturation = datamodels.SaturationRefModel(
            testing.create_saturation(shape=IMAGE, data=full(100.0))
        )
        flags = {}
        for name, parameters in {
            "2022": {"recipe": "2022"},
            "flight": {"recipe": "flight"},
            "none": {"partial": "none"},
            "mean_read": {"partial": "mean_read"},
            "concave": {"partial": "concave"},
            "backup": {"backup": 1, "partial": "none"},
        }.items():
            ramp = ramp_of([4, 84, 100], UNEVEN)
            result = SaturationStep.call(ramp, override_saturation=saturation, **parameters)
            flags[name] = result.groupdq[:, 8, 8].tolist()
        assert flags["2022"] == flags["none"] == [0, 0, dqflags.SATURATED]
        assert flags["mean_read"] == [0, dqflags.DO_NOT_USE, dqflags.SATURATED]
        assert flags["flight"] == flags["concave"] == [0, dqflags.SATURATED, dqflags.SATURATED]
        assert flags["backup"] == [0, dqflags.SATURATED, dqflags.SATURATED]

    def test_what_is_saturated_in_part_is_found_in_an_encoded_exposure_too(self):
        """By the counts as they were taken: a count of 0 that was sent is at -50 DN."""
        sent = np.full((3, *IMAGE), 54, np.uint16)
        sent[:, 8, 8] = 54, 134, 150
        node = testing.create_wfi_science_raw(data=sent)
        raw = datamodels.ScienceRawModel(node)
        raw.meta.exposure.read_pattern = UNEVEN
        raw.meta.instrument["data_encoding_offset"] = 50
        saturation = datamodels.SaturationRefModel(
            testing.create_saturation(shape=IMAGE, data=full(100.0))
        )
        ramp = DQInitStep.call(raw, override_mask="N/A")
        result = SaturationStep.call(ramp, override_saturation=saturation)
        assert result.data[:, 8, 8].tolist() == [4, 84, 100]
        assert result.groupdq[:, 8, 8].tolist() == [0, dqflags.SATURATED, dqflags.SATURATED]


class TestLinearity:
    def test_the_polynomial_is_applied(self):
        coeffs = np.stack([full(1.0), full(2.0), full(0.5)])
        linearity = datamodels.LinearityRefModel(
            testing.create_linearity(shape=coeffs.shape, coeffs=coeffs, dq=full(0, np.uint32))
        )
        ramp = ramp_of([0, 2, 4], UNEVEN)
        result = LinearityStep.call(ramp, override_linearity=linearity, recipe="2022")
        assert result.data[:, 8, 8].tolist() == [1, 1 + 4 + 2, 1 + 8 + 8]
        assert ramp.data[2, 8, 8] == 4


class TestDark:
    def rate_dark(self):
        slope = full(0.5)
        slope[8, 9] = np.nan
        dq = full(0, np.uint32)
        dq[8, 8] = dqflags.HOT
        node = testing.create_dark(shape=IMAGE, dark_slope=slope, dq=dq)
        return datamodels.DarkRefModel(node)

    def test_a_rate_is_subtracted_at_the_mean_times(self):
        # Mean read numbers 1, 2.5 and 6, times 3 s per read, times 0.5 DN/s.
        result = DarkCurrentStep.call(ramp_of([10, 20, 30], UNEVEN), override_dark=self.rate_dark())
        assert result.data[:, 8, 8].tolist() == [10 - 1.5, 20 - 3.75, 30 - 9.0]
        assert result.data[:, 8, 9].tolist() == [10, 20, 30]  # NaN counts as 0
        assert result.pixeldq[8, 8] == dqflags.HOT
        assert result.meta.cal_step.dark == "COMPLETE"

    def test_dark_output_holds_what_was_subtracted(self, tmp_path):
        DarkCurrentStep.call(
            ramp_of([10, 20, 30], UNEVEN),
            override_dark=self.rate_dark(),
            dark_output=str(tmp_path / "dark.asdf"),
        )
        with datamodels.open(tmp_path / "dark.asdf") as dark:
            assert isinstance(dark, datamodels.DarkRefModel)
            assert dark.data[:, 8, 8].tolist() == [1.5, 3.75, 9.0]

    def test_accumulated_signal_without_a_rate_is_subtracted_as_it_is(self):
        dark = self.rate_dark()
        dark["data"] = np.stack([full(1.0), full(2.0), full(4.0)])
        dark.dark_slope = np.full(IMAGE, np.nan, np.float32)
        result = DarkCurrentStep.call(ramp_of([10, 20, 30], UNEVEN), override_dark=dark)
        assert result.data[:, 8, 8].tolist() == [9, 18, 26]

    @pytest.mark.parametrize("number", [None, -999999, -999999.0, np.int64(-999999)])
    def test_planes_of_an_unstated_read_out_do_not_serve_where_there_is_a_rate(self, number):
        dark = self.long_dark(table="?")
        dark["data"] = np.array(dark.data[:3])
        dark.meta.exposure["ma_table_number"] = number
        result = DarkCurrentStep.call(ramp_of([10, 20, 30], UNEVEN), override_dark=dark)
        assert result.data[:, 8, 8].tolist() == [8.5, 16.25, 21.0]

    def test_another_number_of_resultants_is_an_error(self):
        dark = self.rate_dark()
        dark["data"] = np.zeros((2, *IMAGE), np.float32)
        dark.dark_slope = np.full(IMAGE, np.nan, np.float32)
        with pytest.raises(InputError, match=r"DARK of 2 resultants.*\(3, 16, 16\)"):
            DarkCurrentStep.call(ramp_of([10, 20, 30], UNEVEN), override_dark=dark)

    def long_dark(self, table="T1"):
        """Of 4 resultants, and a rate of 0.5 DN/s."""
        dark = self.rate_dark()
        dark["data"] = np.stack([full(value) for value in (1.0, 2.0, 4.0, 8.0)])
        dark.meta["exposure"] = {**dark.meta.exposure.copy(), "ma_table_name": table}
        return dark

    def test_a_dark_that_is_longer_than_the_exposure_serves_by_its_rate(self):
        result = DarkCurrentStep.call(ramp_of([10, 20, 30], UNEVEN), override_dark=self.long_dark())
        # At 3, 7.5 and 18 s.
        assert result.data[:, 8, 8].tolist() == [8.5, 16.25, 21.0]

    def test_a_dark_of_another_ma_table_serves_by_its_rate_whatever_its_length(self):
        dark = self.long_dark()
        dark["data"] = np.array(dark.data[:3])
        ramp = ramp_of([10, 20, 30], UNEVEN)
        ramp.meta.exposure["ma_table_name"] = "T2"
        result = DarkCurrentStep.call(ramp, override_dark=dark)
        assert result.data[:, 8, 8].tolist() == [8.5, 16.25, 21.0]
        ramp.meta.exposure["ma_table_name"] = "T1"
        result = DarkCurrentStep.call(ramp, override_dark=dark)
        assert result.data[:, 8, 8].tolist() == [9.0, 18.0, 26.0]

    @pytest.mark.parametrize("number", [-999999, -999999.0, np.int64(-999999)])
    def test_a_dark_with_an_unknown_ma_table_is_of_none_and_so_of_no_other(self, number):
        dark = self.long_dark(table="?")
        dark.meta.exposure["ma_table_number"] = number
        ramp = ramp_of([10, 20, 30], UNEVEN)
        ramp.meta.exposure["ma_table_number"] = 5
        assert ma_tables_agree(dark, ramp) is None
        dark.meta.exposure["ma_table_number"] = 6
        assert ma_tables_agree(dark, ramp) is False

    def test_a_longer_dark_without_a_rate_serves_by_its_first_planes(self):
        dark = self.long_dark()
        dark.dark_slope = np.full(IMAGE, np.nan, np.float32)
        ramp = ramp_of([10, 20, 30], UNEVEN)
        ramp.meta.exposure["ma_table_name"] = "T1"
        result = DarkCurrentStep.call(ramp, override_dark=dark)
        assert result.data[:, 8, 8].tolist() == [9.0, 18.0, 26.0]
        ramp.meta.exposure["ma_table_name"] = "T2"
        with pytest.raises(InputError, match=r"without a rate \(dark_slope\).*MA table another"):
            DarkCurrentStep.call(ramp, override_dark=dark)


@pytest.mark.parametrize(("made", "inputs"), [(ExposurePipeline, ()), (DarkCurrentStep, "ab")])
def test_a_wrong_number_of_inputs_is_an_error_that_says_how_many(made, inputs):
    told = rf"{made.__name__} takes 1 input \(input\), got {len(inputs)}"
    with pytest.raises(ArgumentTypeError, match=told):
        made.call(*(ramp_of([1, 2], EVEN[:2]) for _ in inputs))


class TestJump:
    def test_a_jump_is_flagged(self, gain, read_noise):
        ramp = ramp_of([10, 20, 30, 40, 50], EVEN)
        ramp.data[3:, 8, 8] += 500
        result = JumpStep.call(ramp, override_gain=gain, override_readnoise=read_noise)
        assert result.groupdq[:, 8, 8].tolist() == [0, 0, 0, dqflags.JUMP_DET, 0]
        assert result.groupdq[3, 7, 8] == dqflags.JUMP_DET
        assert not ramp.groupdq.any()

    def test_parameters_reach_the_kernel(self, gain, read_noise):
        ramp = ramp_of([10, 20, 30, 40, 50], EVEN)
        ramp.data[3:, 8, 8] += 500
        references = {"override_gain": gain, "override_readnoise": read_noise}
        alone = JumpStep.call(ramp, flag_4_neighbors=False, maximum_cores=1, **references)
        assert np.count_nonzero(alone.groupdq) == 1
        none = JumpStep.call(ramp, rejection_threshold=1e6, **references)
        assert not none.groupdq.any()

    def test_two_resultants_are_too_few(self, gain, read_noise):
        ramp = ramp_of([10, 2000], UNEVEN[:2])
        result = JumpStep.call(ramp, override_gain=gain, override_readnoise=read_noise)
        assert result.meta.cal_step.jump == "SKIPPED"
        assert not result.groupdq.any()


class TestRampFit:
    def fit(self, ramp, gain, read_noise, **parameters):
        return RampFitStep.call(
            ramp, override_gain=gain, override_readnoise=read_noise, **parameters
        )

    @pytest.mark.parametrize("pattern", [EVEN, UNEVEN])
    def test_a_line_gives_its_slope_without_the_border(self, gain, read_noise, pattern):
        times = [FRAME_TIME * np.mean(reads) for reads in pattern]
        image = self.fit(ramp_of([7 + 2.5 * t for t in times], pattern), gain, read_noise)
        assert image.data.shape == (8, 8)
        np.testing.assert_allclose(image.data, 2.5, rtol=1e-5)
        assert not image.dq.any()
        assert image.meta.cal_step.ramp_fit == "COMPLETE"

    @pytest.mark.parametrize(("recipe", "rate"), [("2022", 5040 / 6), ("flight", 0.0)])
    def test_a_lone_sample_is_no_rate_in_flight(self, gain, read_noise, recipe, rate):
        # A bias of 5000 DN and 40 DN of light; the other resultants are saturated.
        ramp = ramp_of([5040, 60000, 60000], EVEN[:3])
        ramp.groupdq[1:] = dqflags.SATURATED
        image = self.fit(ramp, gain, read_noise, recipe=recipe)
        assert image.data[4, 4] == pytest.approx(rate)
        is_bad = image.dq & dqflags.DO_NOT_USE != 0
        assert is_bad.all() if recipe == "flight" else not is_bad.any()

    # Poisson variance of the manual: 2 / (6 x 2 e-/DN). That of means of reads at 3 and 6, and at 9
    # and 12 s: (3 x 3 + 6) / 4 + (3 x 9 + 12) / 4 - 2 x 4.5 = 4.5 s of light, with 2 / 2 DN^2 / s.
    @pytest.mark.parametrize(
        ("algorithm", "var_poisson"), [("ols", 2 / 12), ("gls", 4.5 / 6**2), ("likely", 4.5 / 6**2)]
    )
    def test_errors_of_two_resultants(self, gain, read_noise, algorithm, var_poisson):
        # Slope (26 - 14) / 6 s = 2 DN/s. Read variance 12 s^2/n / ((2^3 - 2) 6^2) with s^2/n =
        # 25/2.
        image = self.fit(ramp_of([14, 26], EVEN[:2]), gain, read_noise, algorithm=algorithm)
        assert image.data[4, 4] == pytest.approx(2.0)
        assert image.var_rnoise[4, 4] == pytest.approx(12 * 12.5 / (6 * 36))
        assert image.var_poisson[4, 4] == pytest.approx(var_poisson)
        assert image.err[4, 4] == pytest.approx(np.sqrt(150 / 216 + var_poisson))

    def test_read_noise_of_two_reads_is_divided_by_sqrt_2(self, gain, read_noise):
        ramp = ramp_of([14, 26], EVEN[:2])
        one = self.fit(ramp, gain, read_noise)
        two = self.fit(ramp, gain, read_noise, read_noise_is_cds=True)
        np.testing.assert_allclose(two.var_rnoise, one.var_rnoise / 2, rtol=1e-6)

    @pytest.mark.parametrize("value", ["auto", "Auto", False, "False", "no", "0"])
    def test_read_noise_of_today_is_that_of_one_read(self, gain, read_noise, value):
        # As worked out above for a read noise of 5 DN.
        image = self.fit(ramp_of([14, 26], EVEN[:2]), gain, read_noise, read_noise_is_cds=value)
        assert image.var_rnoise[4, 4] == pytest.approx(12 * 12.5 / (6 * 36))

    @pytest.mark.parametrize(
        ("value", "divisor"),
        [("auto", 2), (True, 2), ("true", 2), ("yes", 2), (False, 1), ("false", 1)],
    )
    def test_read_noise_of_2022_is_taken_for_that_of_two_reads(
        self, gain, read_noise_of_2022, value, divisor
    ):
        with datamodels.open(read_noise_of_2022) as reference:
            for given in (read_noise_of_2022, reference, reference.copy()):
                ramp = ramp_of([14, 26], EVEN[:2])
                image = self.fit(ramp, gain, given, read_noise_is_cds=value)
                assert image.var_rnoise[4, 4] == pytest.approx(12 * 12.5 / (6 * 36) / divisor)

    def test_read_noise_of_2022_saved_as_todays_is_not_divided_twice(
        self, gain, read_noise_of_2022, tmp_path
    ):
        with datamodels.open(read_noise_of_2022) as reference:
            assert reference.is_cds
            saved = reference.save(tmp_path / "readnoise.asdf")
            assert np.all(reference.data == 5)
        with datamodels.open(saved) as again:
            assert not again.is_cds
            assert again.data[0, 0] == pytest.approx(5 / np.sqrt(2))
        for given in (read_noise_of_2022, saved):
            image = self.fit(ramp_of([14, 26], EVEN[:2]), gain, given)
            assert image.var_rnoise[4, 4] == pytest.approx(12 * 12.5 / (6 * 36) / 2)

    def test_a_read_noise_of_neither_kind_names_what_there_is(self, gain, read_noise):
        with pytest.raises(ParameterError, match="'cds': expected auto, true or false"):
            self.fit(ramp_of([14, 26], EVEN[:2]), gain, read_noise, read_noise_is_cds="cds")

    def test_optional_product_is_in_electrons(self, gain, read_noise, tmp_path):
        times = [FRAME_TIME * np.mean(reads) for reads in EVEN]
        ramp = ramp_of([2.5 * t for t in times], EVEN)
        ramp.meta.filename = "mine_jump.asdf"
        saving = {"algorithm": "ols", "save_opt": True, "output_dir": str(tmp_path)}
        self.fit(ramp, gain, read_noise, **saving)
        with datamodels.open(tmp_path / "mine_fitopt.asdf") as fitopt:
            assert isinstance(fitopt, datamodels.RampFitOutputModel)
            assert fitopt.slope[0, 8, 8] == pytest.approx(5.0, rel=1e-5)  # 2.5 DN/s x 2 e-/DN
            assert fitopt.slope.shape[1:] == IMAGE

    def test_optional_product_can_be_named(self, gain, read_noise, tmp_path):
        name = str(tmp_path / "segments.asdf")
        saving = {"algorithm": "ols", "save_opt": True, "opt_name": name}
        self.fit(ramp_of([14, 26], EVEN[:2]), gain, read_noise, **saving)
        assert Path(name).is_file()

    def test_an_image_is_refused(self, gain, read_noise):
        image = datamodels.ImageModel(testing.create_wfi_image(shape=IMAGE))
        with pytest.raises(InputError, match="RampFitStep takes a RampModel, got: ImageModel"):
            self.fit(image, gain, read_noise)

    def test_a_read_pattern_of_another_length_is_refused(self, gain, read_noise):
        ramp = ramp_of([14, 26], EVEN[:2])
        ramp.meta.exposure.read_pattern = EVEN
        with pytest.raises(InputError, match="has 5 resultants, the data have 2"):
            self.fit(ramp, gain, read_noise)


class TestFlatField:
    def image(self):
        node = testing.create_wfi_image(
            shape=IMAGE,
            data=full(6.0),
            dq=full(0, np.uint32),
            err=full(1.5),
            var_poisson=full(0.4),
            var_rnoise=full(0.8),
        )
        return datamodels.ImageModel(node)

    def flat(self, shape=IMAGE):
        arrays = {
            "data": np.full(shape, 2, np.float32),
            "err": np.full(shape, 0.1, np.float32),
            "dq": np.zeros(shape, np.uint32),
        }
        arrays["dq"][shape[0] // 2, shape[1] // 2] = dqflags.UNRELIABLE_FLAT
        return datamodels.FlatRefModel(testing.create_flat(shape=shape, **arrays))

    def test_rate_and_variances_are_divided(self):
        image = FlatFieldStep.call(self.image(), override_flat=self.flat(), recipe="2022")
        # Rate 6/2, variances over 2^2, flat variance (3 x 0.1 / 2)^2.
        assert image.data[8, 9] == 3
        assert image.var_poisson[8, 9] == pytest.approx(0.1)
        assert image.var_rnoise[8, 9] == pytest.approx(0.2)
        assert image.var_flat[8, 9] == pytest.approx(0.0225)
        assert image.err[8, 9] == pytest.approx(np.sqrt(0.3225))
        assert image.dq[8, 8] == dqflags.UNRELIABLE_FLAT
        assert image.meta.cal_step.flat_field == "COMPLETE"

    def test_in_flight_the_error_is_divided_as_the_rate_is(self):
        image = self.image()
        image.var_flat = full(1.0)  # of a flat before, which is in no error of now
        result = FlatFieldStep.call(image, override_flat=self.flat())
        assert result.data[8, 9] == 3
        assert result.err[8, 9] == 0.75
        assert result.var_poisson[8, 9] == pytest.approx(0.1)
        assert result.var_rnoise[8, 9] == pytest.approx(0.2)
        assert "var_flat" not in result
        assert (image.err[8, 9], image.var_flat[8, 9]) == (1.5, 1)

    def test_in_flight_the_error_of_the_flat_is_included_where_a_parameter_says_so(self, tmp_path):
        """romancal 1.1.0 makes a product of it that cannot be saved."""
        image = FlatFieldStep.call(self.image(), override_flat=self.flat(), include_var_flat=True)
        # Flat variance (3 x 0.1 / 2)^2.
        assert image.var_flat[8, 9] == pytest.approx(0.0225)
        assert image.err[8, 9] == pytest.approx(np.sqrt(0.75**2 + 0.0225))
        with datamodels.open(image.save(tmp_path / "flat.asdf")) as saved:
            assert saved.err[8, 9] == np.float16(image.err[8, 9])
            assert saved.var_flat[8, 9] == np.float16(0.0225)

    def test_in_flight_an_image_need_not_have_var_rnoise(self):
        """Files of romancal 1.1.0 have none unless a parameter says so."""
        image = self.image()
        del image["var_rnoise"]
        result = FlatFieldStep.call(image, override_flat=self.flat())
        assert "var_rnoise" not in result
        assert result.err[8, 9] == 0.75

    def test_in_2022_the_error_of_the_flat_is_always_included(self, caplog):
        image = FlatFieldStep.call(
            self.image(), override_flat=self.flat(), recipe="2022", include_var_flat=False
        )
        assert image.err[8, 9] == pytest.approx(np.sqrt(0.3225))
        assert (
            "include_var_flat = False has no effect: recipe 2022 always includes it" in caplog.text
        )

    @pytest.mark.parametrize("recipe", ["2022", "flight"])
    def test_an_error_of_the_flat_that_is_nan(self, recipe):
        """In 2022 it made the error of the pixel NaN, and nothing said so."""
        flat = self.flat()
        flat.err[8, 9] = np.nan
        image = FlatFieldStep.call(
            self.image(), override_flat=flat, recipe=recipe, include_var_flat=True
        )
        assert image.data[8, 9] == 3
        if recipe == "2022":
            assert np.isnan(image.err[8, 9])
            assert image.dq[8, 9] == dqflags.DO_NOT_USE
        else:
            assert (image.err[8, 9], image.var_flat[8, 9], image.dq[8, 9]) == (0.75, 0, 0)

    def test_a_negative_flat_divides_in_2022_and_is_none_in_flight(self):
        flat = self.flat()
        flat.data[8, 9] = -2
        image = FlatFieldStep.call(self.image(), override_flat=flat, recipe="2022")
        assert (image.data[8, 9], image.dq[8, 9]) == (-3, 0)
        assert image.err[8, 9] == pytest.approx(np.sqrt(0.3225))
        image = FlatFieldStep.call(self.image(), override_flat=flat)
        assert (image.data[8, 9], image.dq[8, 9]) == (6, dqflags.NO_FLAT_FIELD)
        assert image.err[8, 9] == 1.5

    def test_a_flat_with_border_is_trimmed(self):
        image = FlatFieldStep.call(self.image(), override_flat=self.flat((24, 24)))
        assert image.dq[8, 8] == dqflags.UNRELIABLE_FLAT
        assert np.all(image.data == 3)

    def test_dumo_is_divided_as_the_rate_is(self):
        # Only then is data + dumo the flat-fielded rate with uniform weights. The flat is 2.
        image = self.image()
        image.dumo = np.full(image.shape, 4.0, np.float32)
        image.chisq = np.full(image.shape, 3.0, np.float32)
        result = FlatFieldStep.call(image, override_flat=self.flat())
        assert np.all(result.dumo == 2.0)
        assert np.all(result.chisq == 3.0)
        assert np.all(image.dumo == 4.0)

    def test_the_image_passed_is_left_alone(self):
        image = self.image()
        FlatFieldStep.call(image, override_flat=self.flat())
        assert np.all(image.data == 6)
        assert image.meta.cal_step.flat_field != "COMPLETE"


def test_references_of_the_wrong_kind_are_refused(gain):
    with pytest.raises(ReferenceMismatchError, match="is a GAIN; expected a MASK"):
        DQInitStep.call(
            datamodels.ScienceRawModel(testing.create_wfi_science_raw((2, *IMAGE))),
            override_mask=gain,
        )


def test_a_skipped_step_returns_its_input_marked():
    ramp = ramp_of([10, 20, 30], UNEVEN)
    result = JumpStep.call(ramp, skip=True)
    assert result.meta.cal_step.jump == "SKIPPED"
    assert ramp.meta.cal_step.jump == "INCOMPLETE"
    assert result.data is ramp.data
