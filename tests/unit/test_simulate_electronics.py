"""What the simulator adds to the counts, found again by what the flight steps do about it.

The formulas are written out here, pixel by pixel and read by read, apart from the simulator's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.references import DirectoryStore, ExposureKeys
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.simulate.correlated_noise import (
    make_correlated_noise,
    refpix_coefficients,
    residual_noise,
)
from romancal_rs.simulate.detector import make_detector, raw_signal
from romancal_rs.simulate.electronics import (
    INL_NODES,
    make_bias,
    make_converters,
    make_electronics,
    read_times,
)
from romancal_rs.simulate.pointing import point
from romancal_rs.simulate.ramp import expose
from romancal_rs.simulate.references import reference_contents

from .test_simulate_physics import hits, within

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"

SILENT = {
    "bias_pattern": 0.0,
    "correlated_noise": 0.0,
    "dark_decay": 0.0,
    "transient": 0.0,
    "integral_nonlinearity": 0.0,
}
"""A flight read-out without amplitudes."""

STILL = {"read_noise": 0.0, "photon_noise": False, "bad_pixel_fraction": 0.0}
"""No other noise."""

INNER = (slice(4, -4), slice(4, -4))


def readout(rate=0.0, threads=None, **parameters):
    """Read the detector of a configuration out, with a uniform rate [electron / s]."""
    config = SimulationConfig(**{"rows": 32, "cols": 256, "frame_time": 3.1} | parameters)
    electron_rate = np.full((config.rows, config.cols), rate, dtype=np.float32)
    detector, electronics = make_detector(config), make_electronics(config)
    return expose(config, detector, electron_rate, hits(), electronics, threads=threads)


def references(config):
    return dict(reference_contents(config, make_detector(config), point(config)))


# --- the read-out as a whole --------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True])
def test_electronics_without_amplitudes_leave_the_bits_of_an_ideal_readout(encoded, tmp_path):
    config = SimulationConfig(
        **{"rows": 70, "cols": 256, "n_resultants": 3, "n_reads": 2, "detector": "WFI18"},
        **SILENT,
        encoded=encoded,
    )
    silent = simulate(config, tmp_path / "silent")
    ideal = simulate(dataclasses.replace(config, readout="ideal"), tmp_path / "ideal")
    with datamodels.open(silent.exposure) as a, datamodels.open(ideal.exposure) as b:
        for name in ("data", "amp33", *(["reference_read"] if encoded else [])):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_threads_do_not_change_a_bit_of_a_flight_readout():
    one, many = (readout(50.0, threads, rows=200) for threads in (1, 3))
    np.testing.assert_array_equal(one.data, many.data)
    np.testing.assert_array_equal(one.amp33, many.amp33)


def test_faint_pixels_of_a_flight_readout_stay_above_the_floor_of_the_converter():
    ramp = readout(0.5, rows=256, cols=512, n_resultants=6, n_reads=1)
    assert ramp.data.min() > 0
    assert ramp.amp33.min() > 0


def test_an_encoded_flight_readout_holds_the_plain_one(tmp_path):
    config = SimulationConfig(rows=64, cols=256, n_resultants=3, n_reads=2)
    plain = simulate(config, tmp_path / "plain")
    sent = simulate(dataclasses.replace(config, encoded=True), tmp_path / "sent")
    with datamodels.open(plain.exposure) as a, datamodels.open(sent.exposure) as b:
        data, amp33 = (np.asarray(getattr(b, name), dtype=int) for name in ("data", "amp33"))
        decoded = data + b.reference_read - b.meta.instrument.data_encoding_offset
        window = b.meta.guide_star
        columns = slice(window.window_xstart, window.window_xstop)
        same = np.asarray(decoded == a.data)
        same[:, :, columns] = True
        assert same.all() or (np.asarray(a.data)[~same] > 64000).all()
        np.testing.assert_array_equal(amp33 + b.reference_amp33 - 1000, np.asarray(a.amp33))
        # The reference read has the bias of each pixel, so that sky is sent as small numbers.
        assert np.abs(np.median(data[0]) - 1000) < 30
        assert np.asarray(b.reference_read).std() > 20


# --- bias ---------------------------------------------------------------------------------------


def test_the_bias_is_constant_and_never_negative():
    config = SimulationConfig(rows=64, cols=512, bias_pattern=50.0)
    bias = make_bias(config)
    assert bias.min() >= 0
    assert bias.max() <= 100
    assert bias.mean() == pytest.approx(50, rel=0.3)  # of 4 channels that differ by a quarter
    assert bias.std() > 10
    parameters = SILENT | STILL | {"bias_pattern": 50.0, "nonlinearity": 0.0, "rows": 64}
    data = readout(**parameters, cols=512, n_resultants=3).data
    for resultant in data:
        np.testing.assert_array_equal(resultant, np.rint(40.0 + bias))


# --- times of the pixels ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "detector"), [("sca01", "WFI01"), ("sca03", "WFI03")])
def test_pixels_are_read_when_the_mission_s_map_says(name, detector):
    with np.load(GOLDEN / f"readtimes_{name}_3p16247.npz") as golden:
        config = SimulationConfig(
            rows=4096, cols=4096, detector=detector, frame_time=float(golden["in_frame_time"])
        )
        of_rows, of_cols = read_times(config)
        found = (of_rows + of_cols)[np.ix_(golden["in_rows"], golden["in_cols"])]
        start = golden["in_frame_number"] * golden["in_frame_time"]
        np.testing.assert_allclose(found + start, golden["out_t"], atol=1e-12)


# --- signals that decay -------------------------------------------------------------------------


def excess(amplitude, value, **parameters):
    """What one amplitude adds to data that lie in the middle between whole numbers [DN]."""
    common = SILENT | STILL | {"nonlinearity": 0.0} | parameters
    with_it = readout(**common | {amplitude: value}).data.astype(float)
    return with_it - readout(**common).data


@pytest.mark.parametrize("detector", ["WFI02", "WFI03"])
def test_the_dark_decay_is_the_closed_form_of_its_reference(detector):
    pattern = [[1], [2, 3], [5, 6, 7], [12, 14]]
    parameters = {"read_pattern": pattern, "detector": detector, "dark_decay": 400.0}
    found = excess("dark_decay", 400.0, read_pattern=pattern, detector=detector)
    config = SimulationConfig(rows=32, cols=256, frame_time=3.1, **parameters)
    entry = references(config)["DARKDECAYSIGNAL"]["decay_table"][detector]
    of_rows, of_cols = read_times(config)
    for resultant, reads in zip(found, pattern, strict=True):
        expected = np.zeros((32, 256))
        for read in reads:
            time = of_rows + of_cols + (read - 1.5) * 3.1
            expected += entry["amplitude"] * np.exp(-time / entry["time_constant"]) / len(reads)
        off = (resultant - expected)[INNER]
        assert np.abs(off).max() <= 0.5 + 1e-9  # rounded to whole DN
        assert expected.min() > 20
        # Pixels of the border are not sensitive: no reset leaves a signal in them.
        assert (resultant[:4] == 0).all()
        assert (resultant[:, -4:] == 0).all()


def test_all_detectors_decay_each_in_its_way():
    config = SimulationConfig(rows=16, cols=128)
    table = references(config)["DARKDECAYSIGNAL"]["decay_table"]
    assert list(table) == [f"WFI{number:02d}" for number in range(1, 19)]
    for name in ("amplitude", "time_constant"):
        assert len({entry[name] for entry in table.values()}) == 18
    amplitudes = np.array([entry["amplitude"] for entry in table.values()])
    assert (amplitudes > 0.6 * config.dark_decay).all()
    assert (amplitudes < 1.4 * config.dark_decay).all()
    other = references(dataclasses.replace(config, detector="WFI07"))
    assert other["DARKDECAYSIGNAL"]["decay_table"] == table


def test_the_transient_fades_in_the_first_resultant_of_wfi18():
    parameters = {"rows": 512, "cols": 128, "n_resultants": 3, "n_reads": 2}
    found = excess("transient", 2000.0, detector="WFI18", **parameters)
    assert (found[1:] == 0).all()
    assert (found[0, :4] == 0).all()
    # Rows of this detector are read upward, 142 clocks each.
    first = found[0][INNER]
    rows = first.mean(axis=1)
    assert (np.diff(rows) < 0).all()
    config = SimulationConfig(**parameters, frame_time=3.1, detector="WFI18")
    time = sum(read_times(config))[INNER]
    expected = np.zeros(time.shape)
    for share, fading in ((0.75, 0.25), (0.25, 0.9)):
        for read in (0, 1):
            expected += 2000 * share * np.exp(-(time + 3.1 * read) / fading) / 2
    assert np.abs(first - expected).max() <= 0.5 + 1e-9
    for other in ("WFI01", "WFI09"):
        assert (excess("transient", 2000.0, detector=other, **parameters) == 0).all()


# --- nonlinearity -------------------------------------------------------------------------------


@pytest.mark.parametrize(("nonlinearity", "tolerance"), [(5e-7, 0.01), (7e-7, 0.01), (1e-6, 0.04)])
def test_linearity_undoes_its_inverse_up_to_saturation(nonlinearity, tolerance):
    config = SimulationConfig(rows=24, cols=128, nonlinearity=nonlinearity, bad_pixel_fraction=0.1)
    files = references(config)
    good = make_detector(config).is_kind("good", "reference")
    inverse, linearity = (
        files[name]["coeffs"][:, good].astype(float) for name in ("INVERSELINEARITY", "LINEARITY")
    )
    full = files["SATURATION"]["data"][good]
    for share in np.linspace(0, 1.05, 200):
        signal = share * full
        raw = np.polynomial.polynomial.polyval(signal, inverse, tensor=False)
        back = np.polynomial.polynomial.polyval(raw, linearity, tensor=False)
        assert np.abs(back - signal).max() < tolerance


def test_inverse_linearity_is_what_the_detector_does():
    config = SimulationConfig(rows=24, cols=128, bad_pixel_fraction=0.0)
    nonlinearity = make_detector(config).nonlinearity.astype(float)
    coefficients = references(config)["INVERSELINEARITY"]["coeffs"].astype(float)
    for signal in (0.0, 100.0, 2e4, 5e4):
        raw = np.polynomial.polynomial.polyval(signal, coefficients)
        np.testing.assert_allclose(raw, raw_signal(np.float64(signal), nonlinearity), atol=1e-9)


def test_correcting_converted_counts_gives_the_ideal_ones():
    config = SimulationConfig(rows=9, cols=300, integral_nonlinearity=20.0)
    electronics = make_electronics(config)
    table = references(config)["INTEGRALNONLINEARITY"]
    assert len(table["inl_table"]) == 32
    np.testing.assert_array_equal(table["value"], np.arange(0, 65473, 64))
    ideal = np.random.default_rng(1).uniform(0, 65535, (200, 300))
    converted = electronics.convert(ideal)
    assert np.abs(converted - ideal).max() > 20
    for column in (0, 127, 128, 255, 256, 299):
        correction = table["inl_table"][f"science_channel_{column // 128 + 1:02d}"]["correction"]
        values = converted[:, column]
        corrected = values + np.interp(values, table["value"].astype(float), correction)
        np.testing.assert_allclose(corrected, ideal[:, column], atol=1e-8)


def test_every_converter_deviates_by_the_stated_amount_and_in_its_own_way():
    first, second = (
        make_converters(SimulationConfig(integral_nonlinearity=3.0, detector=name))
        for name in ("WFI01", "WFI02")
    )
    assert first.shape == (32, INL_NODES.size)
    np.testing.assert_allclose(np.sqrt((first**2).mean(axis=1)), 3.0)
    assert np.abs(np.diff(first, axis=1)).max() < 1  # smooth: it cannot turn counts around
    for corrections in (first, np.stack([first[0], second[0]])):
        likeness = np.corrcoef(corrections)[~np.eye(len(corrections), dtype=bool)]
        assert np.abs(likeness).max() < 0.99


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_curves_of_converters_are_as_flat_as_the_page_says(seed):
    """docs/how-to/simulate.md: at most 0.002 DN per DN."""
    for number in range(1, 19):
        config = SimulationConfig(seed=seed, detector=f"WFI{number:02}")
        slopes = np.diff(make_converters(config), axis=1) / np.diff(INL_NODES.astype(float))
        assert np.abs(slopes).max() < 0.002


def test_counts_are_converted_read_by_read():
    # Two reads at different signals: the mean of what the converter gives of each, which is not
    # what it gives of their mean.
    parameters = SILENT | STILL | {"integral_nonlinearity": 50.0, "cols": 128}
    ramp = readout(12000.0, **parameters, n_resultants=1, n_reads=2)
    config = SimulationConfig(**parameters, rows=32, frame_time=3.1)
    detector, correction = make_detector(config), make_converters(config)[0]
    reads = []
    for read in (1, 2):
        linear = 12000.0 * 3.1 * read / detector.gain.astype(float) + 40
        ideal = raw_signal(linear, detector.nonlinearity.astype(float))
        measured = ideal
        for _ in range(30):
            measured = ideal - np.interp(measured, INL_NODES, correction)
        reads.append(measured)
    assert np.abs(ramp.data[0] - np.mean(reads, axis=0)).max() <= 0.5 + 1e-6


# --- correlated noise ---------------------------------------------------------------------------


def test_the_common_noise_has_the_stated_size_and_a_spectrum_of_1_over_f():
    pattern = [[2 * i + 1, 2 * i + 2] for i in range(400)]
    config = SimulationConfig(rows=32, cols=256, read_pattern=pattern, correlated_noise=3.0)
    noise = make_correlated_noise(config)
    rows = noise.common.astype(float).mean(axis=2)
    power = (np.abs(np.fft.rfft(rows)) ** 2).mean(axis=0)
    for octave in ((1,), (2, 3)):
        expected = sum(1 / k for k in octave)
        # Each frequency has an exponential distribution of its power, as wide as its mean.
        error = expected * np.sqrt(2 / len(pattern))
        within(power[list(octave)].sum() / power[1], expected, error)

    length = 32 * 140
    expected = 1 / np.arange(1, length // 2 + 1)
    expected *= 9.0 / 2 / expected.sum()  # of the mean of two reads
    variance = noise.common.astype(float).var(axis=(1, 2))
    within(variance.mean(), expected.sum(), np.sqrt((expected**2).sum() / len(pattern)))
    assert noise.levels.std() == pytest.approx(3 / np.sqrt(2), rel=0.3)


def lines_removed(ramp, mean_over_resultants):
    """Steps 1 to 4 of refpix: time order with pauses, without the mean, level and trend."""
    n_rows, n_columns = ramp.shape[1:]
    deviation = ramp.astype(float) - mean_over_resultants
    channels = []
    time = (np.arange(n_rows)[:, None] * 140 + np.arange(128)).astype(float)
    border = np.r_[0:4, n_rows - 4 : n_rows]
    for channel in range(n_columns // 128):
        block = deviation[:, :, channel * 128 : (channel + 1) * 128]
        if channel % 2:
            block = block[:, :, ::-1]
        for plane in block:
            plane -= np.polyval(np.polyfit(time[border].ravel(), plane[border].ravel(), 1), time)
        channels.append(np.concatenate([block, np.zeros((*block.shape[:2], 12))], axis=2))
    return channels


def reference_pixel_correction(ramp, coefficients):
    """The published correction: estimates of each channel's noise from the borders and amp33."""
    data = ramp.data.astype(float)
    channels = lines_removed(data, data.mean(axis=0))
    (amp33,) = lines_removed(ramp.amp33, ramp.amp33.mean(axis=0))
    n_resultants, n_rows, samples = amp33.shape
    length = n_rows * samples
    read = np.tile(np.arange(samples) < 128, n_rows)
    left, right = np.zeros((2, n_resultants, n_rows, samples))
    left[:, :, :4], right[:, :, :4] = channels[0][:, :, :4], channels[-1][:, :, :4]
    corrected = np.empty_like(data)
    for index in range(n_resultants):
        flat = amp33[index].ravel()
        flat[~read] = np.interp(np.flatnonzero(~read), np.flatnonzero(read), flat[read])
        spectra = [np.fft.rfft(s[index].ravel()) / length for s in (left, right, amp33)]
        for channel, block in enumerate(channels):
            estimate = 35 * spectra[0] * coefficients["gamma"][channel]
            estimate += 35 * spectra[1] * coefficients["zeta"][channel]
            estimate += spectra[2] * coefficients["alpha"][channel]
            noise = np.fft.irfft(estimate * (length + 2), length).reshape(n_rows, samples)
            clean = (block[index] - noise)[:, :128]
            columns = slice(channel * 128, (channel + 1) * 128)
            corrected[index, :, columns] = clean[:, ::-1] if channel % 2 else clean
    return corrected + data.mean(axis=0)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_the_reference_pixel_correction_leaves_the_noise_that_readnoise_states(n_channels):
    parameters = {"rows": 256, "cols": 128 * n_channels, "n_resultants": 6, "n_reads": 2}
    parameters |= {"correlated_noise": 3.0, "dark_decay": 0.0, "photon_noise": False}
    config = SimulationConfig(**parameters)
    files = references(config)
    ramp = readout(**parameters)
    corrected = reference_pixel_correction(ramp, files["REFPIX"])

    def noise(data):
        """Root mean square about the mean over resultants, which takes one of them [DN]."""
        deviation = (data - data.mean(axis=0))[:, *INNER]
        return np.sqrt((deviation**2).mean() * 6 / 5)

    stated = np.sqrt((files["READNOISE"]["data"][INNER] ** 2).mean() / 2 + 1 / 12)
    assert noise(ramp.data) > 1.2 * stated
    assert noise(corrected) == pytest.approx(stated, rel=0.02)
    # Most of it is the white noise that nothing can remove.
    assert stated < 1.15 * np.sqrt(config.read_noise**2 / 2 + 1 / 12)


def test_border_and_reference_output_see_the_noise_of_the_science_pixels():
    parameters = {"rows": 256, "cols": 256, "n_resultants": 4, "correlated_noise": 40.0}
    ramp = readout(**SILENT | STILL | parameters)
    ramps = ramp.data.astype(float)
    first, left = ramps[1] - ramps[0], (ramps[1] - ramps[0])[:, :4].mean(axis=1)
    amp33 = np.diff(ramp.amp33[:2].astype(float), axis=0)[0].mean(axis=1)
    science = first[:, 40:80].mean(axis=1)
    assert np.corrcoef(left, science)[0, 1] > 0.8
    # Drifts and tilts, which amp33 does not share, are slow.
    assert np.corrcoef(np.diff(amp33), np.diff(science))[0, 1] > 0.6


def test_borders_count_at_low_frequencies_and_amp33_at_all():
    files = refpix_coefficients(SimulationConfig(rows=512, cols=512))
    for name, channel in (("gamma", 0), ("zeta", 3)):
        weight = np.abs(files[name][channel])
        assert weight.shape == (512 * 70 + 1,)
        assert weight[1] > 0.9
        assert (weight[256:] < 0.01).all()  # beyond one cycle in two rows
    assert (files["gamma"][3] == 0).all()
    assert (np.abs(files["alpha"]) > 0.001).all()
    assert np.abs(files["alpha"][:, 300]).min() > 0.5


def test_an_odd_number_of_channels_has_no_use_for_the_right_border():
    files = refpix_coefficients(SimulationConfig(rows=16, cols=384))
    assert (files["zeta"] == 0).all()
    assert (files["gamma"][:, 0] > 0.5).all()


def test_without_correlated_noise_there_is_nothing_to_correct():
    config = SimulationConfig(rows=16, cols=256, correlated_noise=0.0)
    for values in refpix_coefficients(config).values():
        assert (values == 0).all()
    assert (residual_noise(config) == 0).all()


# --- parts of a channel -------------------------------------------------------------------------


def test_of_a_part_of_a_channel_the_directory_says_to_skip_refpix(tmp_path):
    config = SimulationConfig(rows=24, cols=64, n_resultants=2, n_reads=1)
    made = simulate(config, tmp_path / "narrow")
    assert "REFPIX" not in made.reference_files
    assert make_electronics(config).correlated_noise is None
    names = ["PARS-REFPIXSTEP", "PARS-REFPIX"]
    store = DirectoryStore(made.references)
    with datamodels.open(made.exposure) as raw:
        keys = ExposureKeys.from_model(raw)
    path = store.find_parameters(names, keys)
    assert path is not None
    from romancal_rs.stpipe import config as parameter_files

    found = parameter_files.load(path)
    assert found.name == "refpix"
    assert found.parameters["skip"].value == "true"

    whole = simulate(dataclasses.replace(config, cols=128), tmp_path / "whole")
    assert "REFPIX" in whole.reference_files
    assert DirectoryStore(whole.references).find_parameters(names, keys) is None
