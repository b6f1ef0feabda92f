//! Medians, and what is said of several rounds.

/// The middle of some values: the mean of the two in the middle where there is no one.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted[middle - 1] + upper) / 2.0)
}

/// The smallest of sorted values that so many percent of them do not exceed.
pub(crate) fn percentile(sorted: &[u64], percent: f64) -> Option<u64> {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The median of the ratios of each round, in which both were measured one right after the other: what the machine did meanwhile
/// is in both. Rounds in which one of them is missing do not count.
pub(crate) fn ratio(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<f64> {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?))
        .filter(|ratio| ratio.is_finite())
        .collect();
    median(&ratios)
}

/// How far apart the rounds are: the distance of the quartiles, as a share of the median.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = median(&sorted)?;
    let half = sorted.len().div_ceil(2);
    let lower = median(&sorted[..half])?;
    let upper = median(&sorted[sorted.len() - half..])?;
    Some((upper - lower) / middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 100.0]), Some(3.5));
        assert_eq!(median(&[f64::NAN, 1.0]), Some(1.0));
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&values, 50.0), Some(50));
        assert_eq!(percentile(&values, 99.0), Some(99));
        assert_eq!(percentile(&values, 100.0), Some(100));
        assert_eq!(percentile(&[7], 1.0), Some(7));
        assert_eq!(percentile(&[1, 2, 1000], 99.0), Some(1000));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn a_ratio_compares_within_rounds() {
        // The machine was ten times as slow in the second round, for both; the third has no peer.
        let ours = [Some(1.0), Some(10.0), Some(5.0), None];
        let theirs = [Some(2.0), Some(20.0), None, Some(1.0)];
        assert_eq!(ratio(&ours, &theirs), Some(0.5));
        assert_eq!(ratio(&ours, &[Some(0.0); 4]), None);
        assert_eq!(ratio(&[], &[]), None);
    }

    #[test]
    fn the_spread_does_not_see_one_stray_round() {
        assert_eq!(spread(&[2.0, 2.0, 2.0, 2.0, 90.0]), Some(0.0));
        assert_eq!(spread(&[1.0, 2.0, 3.0, 4.0, 5.0]), Some(2.0 / 3.0));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5.0]), Some(0.0));
    }
}
