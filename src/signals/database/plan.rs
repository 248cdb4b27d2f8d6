//! A statement's plan, as a tree to read: which node costs most, which large table is read whole, which index might help.
//!
//! Owns the reading of `EXPLAIN (FORMAT JSON)` and the advice; who asks the server is a source's business.

use std::fmt::Write;

use serde_json::Value;
use tokio::sync::oneshot;

use super::ending::{Ended, Ending};
use crate::timeline::SourceId;

pub mod mysql;

/// A table of so many rows, or pages of 8 kB, is large.
const LARGE: (f64, f64) = (100_000.0, 1_000.0);
/// Share of a large table's rows up to which reading all of it is worth a word.
const FEW: f64 = 0.05;
/// Nodes shown.
const NODES: usize = 300;

/// A statement whose plan somebody wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The server that runs it.
    pub source: SourceId,
    /// The statement, with its values or with `$n`.
    pub statement: String,
    /// The database it runs in, where that is known.
    pub db: String,
    /// The server's number of it, where it is known: leads to a sample where only its shape is.
    pub queryid: Option<i64>,
    /// Run it once to measure (`ANALYZE`), instead of planning it only. Never by itself: somebody asked twice.
    pub run: bool,
}

/// A wish on its way to the source, which carries it out over the one connection that it has.
#[derive(Debug)]
pub enum Question {
    /// The plan of a statement, or a sentence that says why there is none.
    Plan {
        /// What is asked.
        wanted: Wanted,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Plan, String>>,
    },
    /// The end of a session or of its statement, or a sentence that says why not.
    End {
        /// Whose.
        ending: Ending,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Ended, String>>,
    },
}

impl Question {
    /// Whether nobody waits for the answer any more.
    pub fn is_forgotten(&self) -> bool {
        match self {
            Question::Plan { answer, .. } => answer.is_closed(),
            Question::End { answer, .. } => answer.is_closed(),
        }
    }

    /// Answers with why there is no answer.
    pub fn refuse(self, why: &str) {
        // Nobody may wait for it any more.
        match self {
            Question::Plan { answer, .. } => drop(answer.send(Err(why.to_owned()))),
            Question::End { answer, .. } => drop(answer.send(Err(why.to_owned()))),
        }
    }
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The statement.
    pub statement: String,
    /// What kind of plan this is, and what it may differ from: sentences.
    pub about: Vec<String>,
    /// Its nodes from the top, each above what it reads from.
    pub nodes: Vec<Node>,
    /// What stands out: sentences.
    pub findings: Vec<String>,
    /// SQL to copy; never run.
    pub copy: Option<String>,
    /// What was asked, so that it can be asked again.
    pub wanted: Wanted,
    /// Whether the server can be asked to run it and measure.
    pub can_run: bool,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Steps below the top.
    pub depth: usize,
    /// `Seq Scan on public.orders`.
    pub what: String,
    /// Its own part of the plan's cost, 0 to 1.
    pub share: f64,
    /// Cost with all below it, in the planner's units.
    pub cost: f64,
    /// Rows it is expected to give.
    pub rows: f64,
    /// Rows that one pass looks at, where the server tells that instead of a cost.
    pub looked: f64,
    /// Rows it gave and milliseconds it took with all below it, where the statement was run to measure.
    pub measured: Option<(f64, f64)>,
    /// Conditions and keys.
    pub details: Vec<String>,
    /// The one whose own part is largest.
    pub costliest: bool,
    /// The table that it reads whole: schema, name.
    pub scans: Option<(String, String)>,
    /// Its filter.
    pub filter: Option<String>,
}

/// What is known of a table that is read whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Schema and name, as in [`Node::scans`].
    pub name: (String, String),
    /// Rows, by the last count.
    pub rows: f64,
    /// Pages of 8 kB.
    pub pages: f64,
    /// Distinct values of each column (negative: as a share of the rows), where they may be seen.
    pub distinct: Vec<(String, f64)>,
    /// First columns of its valid indexes.
    pub leads: Vec<String>,
}

/// Reads the answer of `EXPLAIN (FORMAT JSON)`.
pub fn read(json: &str) -> Option<Plan> {
    let all: Value = serde_json::from_str(json).ok()?;
    let top = all.get(0)?.get("Plan")?;
    let mut plan = Plan::default();
    node(top, 0, &mut plan.nodes);
    let costliest = plan.nodes.iter().enumerate().max_by(|a, b| a.1.share.total_cmp(&b.1.share)).map(|(i, _)| i);
    let total = number(top, "Total Cost").max(f64::MIN_POSITIVE);
    for (i, n) in plan.nodes.iter_mut().enumerate() {
        n.share = (n.share / total).clamp(0.0, 1.0);
        n.costliest = Some(i) == costliest;
    }
    Some(plan)
}

fn number(v: &Value, key: &str) -> f64 {
    v.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

/// `with it: cost 20,000 to 9 (2,200 times less), index 3 MB (hypopg)`.
pub fn supposed(without: f64, with: f64, size: &str) -> String {
    let ratio = without / with.max(0.01);
    let gain = match ratio {
        r if r >= 10.0 => format!("{} times less", thousands(r)),
        r if r >= 1.1 => format!("{r:.1} times less"),
        _ => "no gain: the planner would not use it".to_owned(),
    };
    let size = if size.is_empty() { String::new() } else { format!("; the index would have {size}") };
    format!(
        "with that index the cost goes from {} to {} ({gain}){size}, says hypopg",
        thousands(without),
        thousands(with)
    )
}

/// What the planner expects all of it to cost, in its units.
pub fn total(plan: &Plan) -> f64 {
    plan.nodes.first().map_or(0.0, |n| n.cost)
}

fn node(v: &Value, depth: usize, out: &mut Vec<Node>) {
    if out.len() >= NODES || depth > 100 {
        return;
    }
    let text = |key: &str| v.get(key).and_then(Value::as_str);
    let kind = text("Node Type").unwrap_or("?");
    let mut what = String::new();
    if v.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        what += "Parallel ";
    }
    what += kind;
    if let Some(join) = text("Join Type").filter(|j| *j != "Inner") {
        let _ = write!(what, " ({join})");
    }
    let table = text("Relation Name").map(|t| (text("Schema").unwrap_or("").to_owned(), t.to_owned()));
    if let Some(index) = text("Index Name") {
        let _ = write!(what, " using {index}");
    }
    if let Some((schema, name)) = &table {
        let _ = write!(what, " on {}{name}", if schema.is_empty() { String::new() } else { format!("{schema}.") });
    } else if let Some(name) = text("CTE Name").or(text("Function Name")) {
        let _ = write!(what, " on {name}");
    }
    let mut details: Vec<String> = Vec::new();
    for key in
        ["Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key", "Group Key"]
    {
        match v.get(key) {
            Some(Value::String(s)) => details.push(format!("{key}: {s}")),
            Some(Value::Array(all)) => {
                let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                details.push(format!("{key}: {}", all.join(", ")));
            }
            _ => {}
        }
    }
    let below = v.get("Plans").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let cost = number(v, "Total Cost");
    let of_below: f64 = below.iter().map(|b| number(b, "Total Cost")).sum();
    out.push(Node {
        depth,
        what,
        share: (cost - of_below).max(0.0),
        cost,
        rows: number(v, "Plan Rows"),
        looked: 0.0,
        measured: v.get("Actual Total Time").and_then(Value::as_f64).map(|ms| {
            let loops = number(v, "Actual Loops").max(1.0);
            (number(v, "Actual Rows") * loops, ms * loops)
        }),
        details,
        costliest: false,
        scans: table.filter(|_| kind == "Seq Scan"),
        filter: text("Filter").map(str::to_owned),
    });
    for b in below {
        node(b, depth + 1, out);
    }
}

/// Says what stands out, given what is known of the tables that are read whole.
pub fn advise(plan: &mut Plan, tables: &[Table]) {
    for n in &plan.nodes {
        let Some(t) = n.scans.as_ref().and_then(|name| tables.iter().find(|t| t.name == *name)) else { continue };
        let (Some(filter), true) = (&n.filter, t.rows >= LARGE.0 || t.pages >= LARGE.1) else { continue };
        if t.rows > 0.0 && n.rows / t.rows >= FEW {
            continue;
        }
        let (schema, name) = (&t.name.0, &t.name.1);
        plan.findings.push(format!(
            "all of {schema}.{name} is read ({} rows, {} MB) for about {} of them: {filter}",
            thousands(t.rows),
            thousands((t.pages * 8.0 / 1_024.0).max(1.0)),
            thousands(n.rows)
        ));
        let columns = columns(filter, t);
        let Some(first) = columns.first() else { continue };
        if let Some(lead) = columns.iter().find(|c| t.leads.contains(c)) {
            plan.findings.push(format!(
                "an index that begins with {lead} is there and is not used: a cast, stale statistics (ANALYZE), or too \
                 few rows saved"
            ));
        } else if plan.copy.is_none() {
            let list: Vec<String> = columns.iter().map(|c| name_of(c)).collect();
            plan.copy = Some(format!(
                "CREATE INDEX CONCURRENTLY ON {}.{} ({});",
                name_of(schema),
                name_of(name),
                list.join(", ")
            ));
            plan.findings.push(format!(
                "an index that begins with {first} may help; to build it reads the whole table, and waits for older \
                 transactions to end"
            ));
        }
    }
}

/// Columns that an index for this filter would have: those compared for equality, the most telling first, then one that
/// is compared by order. Only for conditions that must all hold.
fn columns(filter: &str, table: &Table) -> Vec<String> {
    if filter.contains(" OR ") || filter.contains("SubPlan") {
        return Vec::new();
    }
    let mut equal: Vec<String> = Vec::new();
    let mut ordered: Vec<String> = Vec::new();
    for term in filter.split(" AND ") {
        let term = term.trim_start_matches('(');
        // `(state)::text = 'x'` is of the column state, too; lower(state) is of no column.
        let Some((left, op)) = ["=", "<", ">", "<=", ">="].iter().find_map(|op| {
            let (left, _) = term.split_once(&format!(" {op} "))?;
            Some((left, *op))
        }) else {
            continue;
        };
        let left = left.split("::").next().unwrap_or_default().trim_matches(['(', ')']);
        let column = left.rsplit_once('.').map_or(left, |(_, c)| c).trim_matches('"');
        let plain = !column.is_empty() && column.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !plain || column.starts_with(|c: char| c.is_ascii_digit()) || left.contains('(') {
            continue;
        }
        let list = if op == "=" { &mut equal } else { &mut ordered };
        if !list.iter().any(|c| c == column) {
            list.push(column.to_owned());
        }
    }
    // Negative is a share of the rows: -1 is a value of its own in each.
    let telling = |c: &String| {
        let n = table.distinct.iter().find(|(name, _)| name == c).map_or(0.0, |(_, n)| *n);
        if n < 0.0 { -n * table.rows } else { n }
    };
    equal.sort_by(|a, b| telling(b).total_cmp(&telling(a)));
    equal.truncate(2);
    ordered.retain(|c| !equal.contains(c));
    equal.extend(ordered.into_iter().take(1));
    equal
}

/// In quotes where it must be.
fn name_of(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// `1,000,000`.
pub fn thousands(n: f64) -> String {
    let digits = format!("{n:.0}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && c.is_ascii_digit() {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"[{"Plan": {"Node Type": "Limit", "Total Cost": 20000.0, "Plan Rows": 10, "Plans": [
        {"Node Type": "Hash Join", "Join Type": "Left", "Total Cost": 19990.0, "Plan Rows": 50, "Hash Cond": "(a.id = b.id)", "Plans": [
            {"Node Type": "Seq Scan", "Parallel Aware": true, "Schema": "public", "Relation Name": "orders", "Total Cost": 18000.0,
             "Plan Rows": 40, "Filter": "((orders.user_id = $1) AND ((orders.state)::text = 'open'::text) AND (orders.made > $2))"},
            {"Node Type": "Index Scan", "Schema": "public", "Relation Name": "users", "Index Name": "users_pkey", "Total Cost": 8.0, "Plan Rows": 1}
        ]}]}}]"#;

    fn orders() -> Table {
        Table {
            name: ("public".into(), "orders".into()),
            rows: 1_000_000.0,
            pages: 10_000.0,
            distinct: vec![("user_id".into(), -0.2), ("state".into(), 4.0)],
            leads: vec!["id".into()],
        }
    }

    #[test]
    fn the_costliest_node_is_marked_by_its_own_cost_and_a_large_scan_gets_an_index_to_copy() {
        let mut plan = read(JSON).unwrap();
        advise(&mut plan, &[orders()]);
        let told: Vec<_> = plan.nodes.iter().map(|n| (n.depth, n.what.as_str(), n.costliest)).collect();
        assert_eq!(
            told,
            [
                (0, "Limit", false),
                (1, "Hash Join (Left)", false),
                (2, "Parallel Seq Scan on public.orders", true),
                (2, "Index Scan using users_pkey on public.users", false)
            ]
        );
        assert!((plan.nodes[2].share - 0.9).abs() < 1e-6);
        assert!(
            plan.findings[0].starts_with("all of public.orders is read (1,000,000 rows, 78 MB)"),
            "{:?}",
            plan.findings
        );
        let sql = "CREATE INDEX CONCURRENTLY ON public.orders (user_id, state, made);";
        assert_eq!(plan.copy.as_deref(), Some(sql));
    }

    #[test]
    fn no_index_is_proposed_for_small_tables_for_most_of_a_table_for_either_or_or_where_one_is() {
        let with = |json: &str, table: Table| {
            let mut plan = read(json).unwrap();
            advise(&mut plan, &[table]);
            (plan.findings.len(), plan.copy)
        };
        assert_eq!(with(JSON, Table { rows: 500.0, pages: 4.0, ..orders() }), (0, None));
        assert_eq!(with(&JSON.replace("\"Plan Rows\": 40", "\"Plan Rows\": 900000"), orders()), (0, None));
        assert_eq!(with(&JSON.replace(" AND ", " OR "), orders()), (1, None));
        assert_eq!(with(JSON, Table { leads: vec!["user_id".into()], ..orders() }), (2, None));
        assert_eq!(
            with(&JSON.replace("orders.user_id =", "lower(orders.name) ="), orders()).1.unwrap(),
            "CREATE INDEX CONCURRENTLY ON public.orders (state, made);"
        );
        assert!(read("nonsense").is_none() && read("[]").is_none());
    }
}
