//! Small drawings: chart, bar, rule.
