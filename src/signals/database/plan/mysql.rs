//! Plans of MySQL and MariaDB: reads `EXPLAIN FORMAT=JSON` of both, and says what stands out.
//!
//! Both nest what they do differently, and neither in the same way in all versions. So whatever holds a table is a step,
//! and whatever is known to sort, group or keep rows aside is a step above it. Cost is the rows that are looked at, as
//! both estimate them: MariaDB before 11 tells no other cost.

use serde_json::{Map, Value};

use super::{LARGE, Node, Plan, Table, columns, name_of, thousands};

/// Nodes shown.
const NODES: usize = 300;

/// Things that rows pass through, by the name of their key, in words.
const STEPS: [(&str, &str); 11] = [
    ("filesort", "Sort on disk or in memory"),
    ("ordering_operation", "Order"),
    ("grouping_operation", "Group"),
    ("duplicates_removal", "Remove duplicates"),
    ("temporary_table", "Temporary table"),
    ("materialized", "Materialized"),
    ("materialized_from_subquery", "Materialized subquery"),
    ("union_result", "Union"),
    ("block-nl-join", "Join through a buffer"),
    ("windows_computation", "Window"),
    ("windowing", "Window"),
];

/// Reads the answer of `EXPLAIN FORMAT=JSON`; `database` is what tables without a schema belong to.
pub fn read(json: &str, database: &str) -> Option<Plan> {
    let all: Value = serde_json::from_str(json).ok()?;
    let top = all.get("query_block")?.as_object()?;
    let mut plan = Plan::default();
    let mut walk = Walk { nodes: &mut plan.nodes, outer: 1.0, database };
    walk.object(top, 0);
    let costs: Vec<f64> = plan.nodes.iter().map(|n| n.cost).collect();
    let total: f64 = plan.nodes.iter().map(|n| n.share).sum::<f64>().max(f64::MIN_POSITIVE);
    let costliest = plan.nodes.iter().enumerate().max_by(|a, b| a.1.share.total_cmp(&b.1.share)).map(|(i, _)| i);
    for (i, n) in plan.nodes.iter_mut().enumerate() {
        n.share = (n.share / total).clamp(0.0, 1.0);
        n.costliest = Some(i) == costliest && costs[i] > 0.0;
    }
    Some(plan)
}

struct Walk<'a> {
    nodes: &'a mut Vec<Node>,
    /// Rows that come from the tables before, each of which looks into the next one.
    outer: f64,
    database: &'a str,
}

impl Walk<'_> {
    fn object(&mut self, o: &Map<String, Value>, depth: usize) {
        if depth > 60 {
            return;
        }
        for (key, v) in o {
            if self.nodes.len() >= NODES {
                return;
            }
            match v {
                Value::Object(t) if key == "table" => self.table(t, depth),
                Value::Object(inner) => match STEPS.iter().find(|(k, _)| k == key) {
                    Some((_, what)) => {
                        let details = ["sort_key", "access_type"].iter().filter_map(|k| {
                            let text = inner.get(*k).and_then(Value::as_str)?;
                            Some(format!("{k}: {text}"))
                        });
                        let node = Node { depth, what: (*what).into(), details: details.collect(), ..Node::default() };
                        self.nodes.push(node);
                        self.object(inner, depth + 1);
                    }
                    None => self.object(inner, depth),
                },
                Value::Array(all) => {
                    // What a subquery does is not done once for every row of the tables beside it.
                    let before = self.outer;
                    for v in all.iter().filter_map(Value::as_object) {
                        self.object(v, depth);
                    }
                    if key != "nested_loop" {
                        self.outer = before;
                    }
                }
                _ => {}
            }
        }
    }

    fn table(&mut self, t: &Map<String, Value>, depth: usize) {
        let text = |k: &str| t.get(k).and_then(Value::as_str);
        let number = |k: &str| {
            let v = t.get(k)?;
            v.as_f64().or_else(|| v.as_str()?.parse().ok())
        };
        let name = text("table_name").unwrap_or("?");
        if let Some(message) = text("message") {
            self.nodes.push(Node { depth, what: message.to_owned(), ..Node::default() });
            return;
        }
        let access = text("access_type").unwrap_or("");
        let looked = number("rows_examined_per_scan").or_else(|| number("rows")).unwrap_or(0.0);
        let filtered = number("filtered").unwrap_or(100.0) / 100.0;
        let what = match access {
            "ALL" => format!("Whole table {name}"),
            "index" => format!("Whole index {} of {name}", text("key").unwrap_or("?")),
            _ => match text("key") {
                Some(key) => format!("{access} on {name} using {key}"),
                None => format!("{access} on {name}"),
            },
        };
        let mut details = Vec::new();
        for (key, label) in [("attached_condition", "Filter"), ("index_condition", "Index Cond")] {
            if let Some(c) = text(key) {
                details.push(format!("{label}: {}", c.replace('`', "")));
            }
        }
        if let Some(keys) = t.get("possible_keys").and_then(Value::as_array) {
            let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
            if !keys.is_empty() {
                details.push(format!("Possible: {}", keys.join(", ")));
            }
        }
        let cost = looked * self.outer;
        let schema = self.database.to_owned();
        let whole = access == "ALL" && !name.starts_with('<');
        self.nodes.push(Node {
            depth,
            what,
            share: cost,
            cost,
            rows: looked * filtered,
            looked,
            details,
            scans: whole.then(|| (schema, name.to_owned())),
            filter: text("attached_condition").map(|c| c.replace('`', "")),
            ..Node::default()
        });
        self.outer = (self.outer * looked * filtered).max(1.0);
        // A table that is made by a query of its own.
        let before = std::mem::replace(&mut self.outer, 1.0);
        for (key, v) in t {
            if let Some(inner) = v.as_object().filter(|_| !matches!(key.as_str(), "cost_info")) {
                self.object(inner, depth + 1);
            }
        }
        self.outer = before;
    }
}

/// Says what stands out. How many rows a table has is what reading all of it is expected to look at.
pub fn advise(plan: &mut Plan) {
    let found: Vec<(usize, Vec<String>)> = plan
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(i, n)| {
            let name = n.scans.clone()?;
            let per_scan = rows_of(n);
            let filter = n.filter.as_ref()?;
            (per_scan >= LARGE.0).then(|| {
                let table = Table { name, rows: per_scan, ..Table::default() };
                let plain = filter.replace(" and ", " AND ").replace(" or ", " OR ");
                (i, columns(&plain, &table))
            })
        })
        .collect();
    for (i, columns) in found {
        let n = &plan.nodes[i];
        let Some((schema, table)) = n.scans.clone() else { continue };
        let filter = n.filter.clone().unwrap_or_default();
        let possible = n.details.iter().find(|d| d.starts_with("Possible: ")).cloned();
        plan.findings.push(format!("all of {table} is read (about {} rows): {filter}", thousands(rows_of(n))));
        match (columns.first(), possible) {
            (_, Some(possible)) => plan.findings.push(format!(
                "an index could serve and is not used ({}): a cast, another character set, stale statistics (ANALYZE \
                 TABLE), or too few rows saved",
                possible.trim_start_matches("Possible: ")
            )),
            (Some(first), None) if plan.copy.is_none() => {
                let list: Vec<String> = columns.iter().map(|c| name_of(c).replace('"', "`")).collect();
                let place = if schema.is_empty() { String::new() } else { format!("{}.", quoted(&schema)) };
                let index = format!("{table}_{}", columns.join("_"));
                plan.copy = Some(format!(
                    "CREATE INDEX {} ON {place}{} ({}) ALGORITHM=INPLACE LOCK=NONE;",
                    quoted(&index),
                    quoted(&table),
                    list.join(", ")
                ));
                plan.findings.push(format!(
                    "an index that begins with {first} may help; to build it reads the whole table, and waits for \
                     open transactions on it to end"
                ));
            }
            _ => {}
        }
    }
}

/// Rows of the table, which one reading of it looks at.
fn rows_of(n: &Node) -> f64 {
    n.looked
}

fn quoted(name: &str) -> String {
    name_of(name).replace('"', "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> (Vec<String>, Vec<String>, Option<String>) {
        let mut plan = read(json, "shop").expect("a plan");
        advise(&mut plan);
        let nodes = plan
            .nodes
            .iter()
            .map(|n| format!("{}{}{}", " ".repeat(n.depth), n.what, if n.costliest { " !" } else { "" }));
        (nodes.collect(), plan.findings.clone(), plan.copy)
    }

    const INDEX: &str = "CREATE INDEX orders_user_id ON shop.orders (user_id) ALGORITHM=INPLACE LOCK=NONE;";

    /// As MariaDB 10.11 writes it.
    #[test]
    fn a_plan_of_mariadb_with_a_sort_over_a_whole_table() {
        let json = r#"{"query_block": {"select_id": 1, "read_sorted_file": {"filesort": {"sort_key": "orders.id",
            "table": {"table_name": "orders", "access_type": "ALL", "rows": 150000, "filtered": 100,
            "attached_condition": "orders.user_id = 7"}}}}}"#;
        let (nodes, findings, copy) = told(json);
        assert_eq!(nodes, ["Sort on disk or in memory", " Whole table orders !"]);
        assert!(findings[0].contains("all of orders is read (about 150,000 rows): orders.user_id = 7"), "{findings:?}");
        assert_eq!(copy.as_deref(), Some(INDEX));
    }

    /// As MySQL 8.0 and 5.7 write it.
    #[test]
    fn a_plan_of_mysql_with_a_join_where_the_inner_table_is_read_for_every_row() {
        let json = r#"{"query_block": {"select_id": 1, "cost_info": {"query_cost": "301000.00"}, "ordering_operation": {
            "using_filesort": true, "nested_loop": [
            {"table": {"table_name": "users", "access_type": "ref", "key": "by_name", "rows_examined_per_scan": 3,
             "rows_produced_per_join": 3, "filtered": "100.00", "cost_info": {"read_cost": "1.0"}}},
            {"table": {"table_name": "orders", "access_type": "ALL", "rows_examined_per_scan": 990000, "filtered": "10.00",
             "attached_condition": "((`shop`.`orders`.`user_id` = `shop`.`users`.`id`) and (`shop`.`orders`.`state` = 'open'))"}}]}}}"#;
        let (nodes, findings, copy) = told(json);
        assert_eq!(nodes, ["Order", " ref on users using by_name", " Whole table orders !"]);
        assert!(findings[0].contains("990,000 rows"), "{findings:?}");
        assert_eq!(
            copy.as_deref(),
            Some("CREATE INDEX orders_user_id_state ON shop.orders (user_id, state) ALGORITHM=INPLACE LOCK=NONE;")
        );
    }

    #[test]
    fn nothing_is_proposed_for_small_tables_for_used_indexes_and_for_either_or() {
        let with = |rows: u32, condition: &str, more: &str| {
            let json = format!(
                r#"{{"query_block": {{"table": {{"table_name": "orders", "access_type": "ALL", "rows": {rows}, "filtered": 100,
                "attached_condition": "{condition}"{more}}}}}}}"#
            );
            told(&json).2
        };
        assert_eq!(with(150_000, "orders.user_id = 7", ""), Some(INDEX.into()));
        assert_eq!(with(500, "orders.user_id = 7", ""), None);
        assert_eq!(with(150_000, "orders.user_id = 7 or orders.id = 1", ""), None);
        assert_eq!(with(150_000, "orders.user_id = 7", r#", "possible_keys": ["u"]"#), None);
        assert!(read("[]", "").is_none() && read("x", "").is_none());
    }
}
