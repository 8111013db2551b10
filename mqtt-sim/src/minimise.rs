//! Makes a long story short.

/// Leaves out as much as possible, in ever smaller parts, so that it still fails. Tries so often at most.
pub(crate) fn shrink<T: Clone>(items: &[T], tries_max: usize, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = items.to_vec();
    let mut size = kept.len().div_ceil(2);
    let mut tries = 0;
    while size > 0 {
        let mut from = 0;
        let mut has_shrunk = false;
        while from < kept.len() && tries < tries_max {
            let mut fewer = kept.clone();
            fewer.drain(from..(from + size).min(kept.len()));
            tries += 1;
            if fails(&fewer) {
                kept = fewer;
                has_shrunk = true;
            } else {
                from += size;
            }
        }
        if tries >= tries_max {
            break;
        }
        // The last round of single ones is repeated as long as it helps.
        size = if size == 1 && has_shrunk { 1 } else { size / 2 };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let items: Vec<u32> = (0..100).collect();
        let short = shrink(&items, 1_000, |items| items.contains(&17) && items.contains(&80));
        assert_eq!(short, [17, 80]);
    }

    #[test]
    fn it_stops_when_it_has_tried_enough() {
        let mut tries = 0;
        let short = shrink(&[1, 2, 3, 4, 5, 6, 7, 8], 3, |_| {
            tries += 1;
            false
        });
        assert_eq!((short.len(), tries), (8, 3));
    }
}
