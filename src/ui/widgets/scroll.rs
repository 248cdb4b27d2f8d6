//! Which rows are visible around a cursor, so that nothing jumps.

/// The first visible row of a list of `total` rows in a window of `height`, given the row under the cursor and the row
/// that was first before. It stays where it was unless the cursor would leave the window, and then moves no further than
/// needed. The window is never half empty while there are rows to fill it.
pub fn window(total: usize, height: usize, cursor: usize, previous_top: usize) -> usize {
    if height == 0 || total == 0 {
        return 0;
    }
    let cursor = cursor.min(total - 1);
    let lowest = cursor.saturating_sub(height - 1);
    previous_top.clamp(lowest, cursor).min(total.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_window_stays_while_the_cursor_moves_inside_it() {
        assert_eq!(window(100, 10, 25, 20), 20);
        assert_eq!(window(100, 10, 29, 20), 20);
        assert_eq!(window(100, 10, 30, 20), 21);
        assert_eq!(window(100, 10, 19, 20), 19);
        assert_eq!(window(5, 10, 4, 3), 0);
    }

    proptest! {
        #[test]
        fn the_cursor_is_always_visible(total in 0usize..500, height in 0usize..60, cursor in 0usize..600, top in 0usize..600) {
            let t = window(total, height, cursor, top);
            if total > 0 && height > 0 {
                let cursor = cursor.min(total - 1);
                prop_assert!(t <= cursor && cursor < t + height);
                prop_assert!(t + height <= total.max(height));
            }
        }
    }
}
