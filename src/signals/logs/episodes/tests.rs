//! Outages in made-up logs: what is told at every second, and that it stays told.

use super::*;

/// A steady sequence of numbers that look like chance.
struct Chance(u64);

impl Chance {
    /// True in `share` of all cases.
    fn is(&mut self, share: f64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as f64) < share * (1u64 << 31) as f64
    }
}

/// Eight requests a second of which one in a hundred fails and leaves four errors.
fn clumps(chance: &mut Chance) -> u64 {
    (0..8).filter(|_| chance.is(0.01)).count() as u64 * 4
}

fn all(walk: &Walk) -> Vec<(i64, i64, Stage)> {
    walk.episodes().map(|e| (e.since.secs(), e.last.secs(), e.stage)).collect()
}

/// The episodes after each second of `errors`, with `lines` other records in each.
fn told(errors: &[u64], lines: u64) -> Vec<Vec<(i64, i64, Stage)>> {
    let mut walk = Walk::default();
    let second = |(t, e): (usize, &u64)| {
        walk.second(t as i64, *e, lines + e);
        all(&walk)
    };
    errors.iter().enumerate().map(second).collect()
}

/// Nothing that was told of a beginning is taken back or moved later on.
fn holds(told: &[Vec<(i64, i64, Stage)>]) {
    for pair in told.windows(2) {
        let begun = |t: &[(i64, i64, Stage)]| t.iter().map(|e| e.0).collect::<Vec<_>>();
        assert!(begun(&pair[1]).starts_with(&begun(&pair[0])), "{:?} then {:?}", pair[0], pair[1]);
    }
}

#[test]
fn failed_requests_that_are_usual_are_no_outage_in_a_whole_day_of_them() {
    let mut alarms = 0;
    for seed in 1..=12 {
        let mut chance = Chance(seed);
        let mut walk = Walk::default();
        for t in 0..7_200 {
            let errors = clumps(&mut chance);
            walk.second(t, errors, 8 + errors * 2);
        }
        alarms += walk.episodes().count();
    }
    assert!(alarms <= 1, "{alarms} false alarms in 24 hours");
}

#[test]
fn an_outage_among_usual_failures_is_told_in_three_seconds_with_its_beginning_and_its_end() {
    for seed in 1..=40 {
        let mut chance = Chance(seed);
        let mut errors: Vec<u64> = (0..900).map(|_| clumps(&mut chance)).collect();
        (600..674).for_each(|t| errors[t] += 40);
        let told = told(&errors, 24);
        holds(&told);
        assert_eq!(told[599], [], "seed {seed}");
        let at = told.iter().position(|t| !t.is_empty()).expect("told");
        assert!(at <= 602, "told at {at}, seed {seed}");
        let (since, _, stage) = told[at][0];
        // A failure that is usual, right before it, may seem to be its first.
        assert!((597..=600).contains(&since) && stage == Stage::On, "{since}, seed {seed}");
        let (_, last, stage) = told[899][0];
        assert!((673..=679).contains(&last) && stage == Stage::Over && told[899].len() == 1, "{:?}", told[899]);
    }
}

#[test]
fn two_outages_a_minute_apart_are_two() {
    let mut chance = Chance(7);
    let mut errors: Vec<u64> = (0..900).map(|_| clumps(&mut chance)).collect();
    (500..550).chain(610..660).for_each(|t| errors[t] += 15);
    let told = told(&errors, 24);
    holds(&told);
    let [first, second] = told[899][..] else { panic!("{:?}", told[899]) };
    assert!((498..=500).contains(&first.0) && (549..=554).contains(&first.1), "{first:?}");
    assert!((608..=610).contains(&second.0) && (659..=664).contains(&second.1), "{second:?}");
    // A pause of ten seconds makes no second one.
    let mut errors = vec![0; 600];
    (300..330).chain(340..400).for_each(|t| errors[t] = 40);
    let told = self::told(&errors, 24);
    holds(&told);
    assert_eq!(told[337], [(300, 329, Stage::Calming)]);
    assert_eq!(told[599], [(300, 399, Stage::Over)]);
}

#[test]
fn an_outage_without_errors_before_is_told_in_two_seconds_and_stays_told_when_it_is_over() {
    let mut errors = vec![0; 900];
    (300..360).for_each(|t| errors[t] = 40);
    let told = told(&errors, 24);
    holds(&told);
    assert_eq!((&told[300][..], &told[301][..]), (&[][..], &[(300, 301, Stage::On)][..]));
    assert_eq!(told[363], [(300, 359, Stage::On)], "four seconds may be chance");
    assert_eq!(told[364], [(300, 359, Stage::Calming)]);
    assert_eq!(told[388], [(300, 359, Stage::Calming)]);
    assert!(told[389..].iter().all(|t| *t == [(300, 359, Stage::Over)]), "and it does not come back");
}

#[test]
fn a_slow_rise_is_told_before_it_is_one_error_a_second_for_half_a_minute() {
    // From none to one a second within two minutes.
    let mut beyond = 0.0;
    let rise = |t: u64| (t.saturating_sub(600) as f64 / 120.0).min(1.0);
    let errors: Vec<u64> = (0..1_200)
        .map(|t| {
            beyond += rise(t);
            let whole = f64::floor(beyond);
            beyond -= whole;
            whole as u64
        })
        .collect();
    let told = told(&errors, 50);
    holds(&told);
    let at = told.iter().position(|t| !t.is_empty()).expect("told");
    assert!((610..=690).contains(&at), "told at {at}");
    assert!((600..=660).contains(&told[at][0].0), "{:?}", told[at]);
    assert!(told[1_199].len() == 1 && told[1_199][0].2 == Stage::On, "{:?}", told[1_199]);
}

#[test]
fn a_log_that_begins_in_the_middle_of_an_outage_is_in_trouble_from_its_first_line_on() {
    let mut errors = vec![3; 60];
    errors.resize(200, 0);
    let told = told(&errors, 4);
    holds(&told);
    assert_eq!(told[4], [(0, 4, Stage::On)]);
    assert_eq!(told[199], [(0, 59, Stage::Over)]);
}

#[test]
fn the_first_failures_of_a_deploy_are_its_beginning_where_there_were_none_before() {
    // As the demo breaks: a few at once, all the others when the pool is empty.
    let mut errors = vec![0; 25];
    errors.extend([2, 4, 0, 38, 43, 38, 40, 46]);
    let told = told(&errors, 30);
    holds(&told);
    assert_eq!(told[29], [(25, 29, Stage::On)]);
}

#[test]
fn two_failed_requests_right_after_the_start_are_no_outage() {
    let mut errors = vec![0; 40];
    (errors[21], errors[25]) = (4, 4);
    assert!(told(&errors, 16).iter().all(Vec::is_empty));
}

#[test]
fn silence_after_errors_is_not_their_end_where_lines_came_all_the_time() {
    let mut walk = Walk::default();
    (0..300).for_each(|t| walk.second(t, 0, 20));
    (300..330).for_each(|t| walk.second(t, 40, 60));
    walk.upto(360);
    assert_eq!(all(&walk), [(300, 329, Stage::Unheard)]);
    (360..400).for_each(|t| walk.second(t, 0, 20));
    assert_eq!(all(&walk), [(300, 329, Stage::Over)]);
    // A log of errors only, as servers keep one: silence is what is usual.
    let mut walk = Walk::default();
    walk.second(0, 1, 1);
    (3_600..3_660).for_each(|t| walk.second(t, 5, 5));
    walk.upto(3_700);
    assert_eq!(all(&walk), [(3_600, 3_659, Stage::Over)]);
}

#[test]
fn hours_without_a_line_and_the_end_of_time_are_stepped_over() {
    let mut walk = Walk::default();
    (0..100).for_each(|t| walk.second(t, 20, 40));
    walk.second(9_000_000, 0, 10);
    walk.upto(i64::MAX / 1_000_000_000);
    assert_eq!(all(&walk), [(0, 99, Stage::Over)]);
}
