use super::*;

fn times() -> Vec<f64> {
    (0..400).map(|i| 0.007 * f64::from(i)).collect()
}

fn model(transient: &Transient, time: f64) -> f64 {
    let [a, b] = transient.amplitudes;
    let [ta, tb] = transient.time_constants;
    a * (-time / ta).exp() + b * (-time / tb).exp()
}

fn values(transient: &Transient) -> Vec<f64> {
    times().iter().map(|&time| model(transient, time)).collect()
}

#[test]
fn a_transient_without_noise_is_found_to_the_last_digits() {
    for (amplitudes, time_constants) in [
        ([230.0, 100.0], [0.2, 0.52]),
        ([-30.0, 300.0], [0.05, 0.4]),
        ([100.0, 100.0], [0.1, 9.0]),
        ([5.0, -5.0], [0.7, 1.5]),
    ] {
        let truth = Transient {
            amplitudes,
            time_constants,
        };
        let fitted = fit(&times(), &values(&truth)).unwrap();
        assert!(fitted.rms < 1e-7, "{fitted:?}");
        for i in 0..2 {
            let found = fitted.transient;
            assert!(
                (found.amplitudes[i] / amplitudes[i] - 1.0).abs() < 1e-4,
                "{found:?}"
            );
            assert!((found.time_constants[i] / time_constants[i] - 1.0).abs() < 1e-4);
        }
    }
}

#[test]
fn values_that_are_not_finite_are_left_out() {
    let truth = Transient {
        amplitudes: [230.0, 100.0],
        time_constants: [0.2, 0.52],
    };
    let mut with_gaps = values(&truth);
    with_gaps[0] = f64::NAN;
    with_gaps[77] = f64::INFINITY;
    let fitted = fit(&times(), &with_gaps).unwrap();
    for time in times() {
        let error = model(&fitted.transient, time) - model(&truth, time);
        assert!(error.abs() < 1e-6, "{error}");
    }
}

#[test]
fn what_no_transient_explains_is_refused() {
    assert_eq!(fit(&times()[..4], &[4.0, 3.0, 2.0, 1.0]), None);
    let mut four = vec![f64::NAN; 400];
    four[..4].fill(1.0);
    assert_eq!(fit(&times(), &four), None);
    // Nothing that fades: the mean explains it to the last bit.
    let constant = vec![1000.0; 400];
    assert_eq!(fit(&times(), &constant), None);
}

/// Numbers that look like noise, of variance 1.
fn noise() -> Vec<f64> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let sums = (0..400).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0);
    sums.collect()
}

fn noisy(truth: &Transient) -> Vec<f64> {
    let values = values(truth).into_iter().zip(noise());
    values.map(|(value, noise)| value + noise).collect()
}

#[test]
fn nothing_is_fitted_by_nothing() {
    for values in [vec![0.0; 400], noise()] {
        let fitted = fit(&times(), &values).unwrap();
        assert_eq!(fitted.transient, Transient::NONE);
        let squares: f64 = values.iter().map(|value| value * value).sum();
        assert_eq!(fitted.rms, (squares / 400.0).sqrt());
        assert_eq!((fitted.n_values, fitted.from), (400, 0.0));
    }
}

#[test]
fn one_exponential_is_not_taken_for_two() {
    for (amplitude, time_constant) in [(200.0, 0.138), (-30.0, 0.5), (100.0, 3.0)] {
        let truth = Transient {
            amplitudes: [amplitude, 0.0],
            time_constants: [time_constant, f64::INFINITY],
        };
        for (values, tolerance) in [(values(&truth), 1e-6), (noisy(&truth), 0.1)] {
            let Transient {
                amplitudes,
                time_constants,
            } = fit(&times(), &values).unwrap().transient;
            assert_eq!((amplitudes[1], time_constants[1]), (0.0, f64::INFINITY));
            assert!(
                (amplitudes[0] / amplitude - 1.0).abs() < tolerance,
                "{amplitudes:?}"
            );
            assert!((time_constants[0] / time_constant - 1.0).abs() < tolerance);
        }
    }
}

#[test]
fn exponentials_that_cancel_each_other_are_kept_apart() {
    // The limit of two that come together; the amplitudes grew to 1e7.
    let times = times();
    let values = times
        .iter()
        .map(|t| (100.0 + 2000.0 * t) * (-t / 0.3).exp());
    let values: Vec<_> = values
        .zip(noise())
        .map(|(value, noise)| value + noise)
        .collect();
    let fitted = fit(&times, &values).unwrap();
    assert!(
        fitted.transient.amplitudes.iter().all(|a| a.abs() < 2e4),
        "{fitted:?}"
    );
    assert!(fitted.rms < 1.1);
}

#[test]
fn what_does_not_fade_is_refused_also_with_noise() {
    let constant = noise()
        .iter()
        .map(|noise| 100.0 + noise)
        .collect::<Vec<_>>();
    assert_eq!(fit(&times(), &constant), None);
}

#[test]
fn the_chance_is_the_tail_of_the_distribution_of_f() {
    // Of F with 2 and 10 degrees of freedom 1 % lie above 7.559, 5 % above 4.103 (tables).
    for (f, expected) in [(7.559, 0.01), (4.103, 0.05)] {
        let of_less = 1.0 + 2.0 * f / 10.0;
        let found = chance(1.0, of_less, (14, 4));
        assert!((found / expected - 1.0).abs() < 1e-3, "{found}");
    }
}
