//! Medians, and how far the rounds lie apart.

/// What several rounds say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    /// Largest by smallest; 1 when all are equal.
    pub(crate) spread: f64,
}

/// Sums up rounds; `None` without any.
pub(crate) fn summarize(values: &[f64]) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    };
    let spread = if most <= 0.0 { 1.0 } else { most / least.max(f64::MIN_POSITIVE) };
    Some(Summary { median, spread })
}

/// The value below which `hundredths` of all lie; zero of none.
pub(crate) fn percentile(sorted: &[u32], hundredths: usize) -> u32 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * hundredths / 100).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_median_and_the_spread() {
        let check = |values: &[f64], expected: Option<(f64, f64)>| {
            let found = summarize(values).map(|summary| (summary.median, summary.spread));
            assert_eq!(found, expected, "{values:?}");
        };
        check(&[], None);
        check(&[2.0], Some((2.0, 1.0)));
        check(&[3.0, 1.0, 2.0], Some((2.0, 3.0)));
        check(&[4.0, 1.0, 2.0, 4.0], Some((3.0, 4.0)));
        check(&[0.0, 0.0], Some((0.0, 1.0)));
    }

    #[test]
    fn finds_percentiles() {
        let check = |sorted: &[u32], hundredths, expected| {
            assert_eq!(percentile(sorted, hundredths), expected);
        };
        check(&[], 50, 0);
        check(&[7], 99, 7);
        check(&(0..=100).collect::<Vec<_>>(), 99, 99);
    }
}
