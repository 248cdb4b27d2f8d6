//! Checklists: Markdown with `- [ ]` steps, where a code block below a step is a command that can be run from there.
//!
//! Five are built in; a user's own stand as `checklists/*.md` beside the configuration, and one of the same file name
//! takes the place of a built-in one. Owns reading them; running and ticking are the application's.

use super::event::NoteKind;

/// A checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checklist {
    /// Its file name without `.md`.
    pub name: String,
    /// Its first heading, else its name.
    pub title: String,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is to be done or looked at, in one line.
    pub text: String,
    /// The heading that it stands under.
    pub section: String,
    /// A command for the shell, from the code block below it.
    pub command: Option<String>,
}

/// Those built in: name and text.
const BUILT_IN: &[(&str, &str)] = &[
    ("production-down", include_str!("../../../checklists/production-down.md")),
    ("slow-database", include_str!("../../../checklists/slow-database.md")),
    ("bad-deploy", include_str!("../../../checklists/bad-deploy.md")),
    ("dependency-down", include_str!("../../../checklists/dependency-down.md")),
    ("memory-leak", include_str!("../../../checklists/memory-leak.md")),
];

/// Most checklists, and most steps of one.
const MOST: usize = 100;

/// The built-in ones, with those of `own` (name and text) beside them or in their place.
pub fn all(own: &[(String, String)]) -> Vec<Checklist> {
    let built_in = BUILT_IN.iter().filter(|(name, _)| own.iter().all(|(n, _)| n != name));
    let mut out: Vec<Checklist> = own.iter().map(|(n, t)| read(n, t)).collect();
    out.extend(built_in.map(|(n, t)| read(n, t)));
    out.truncate(MOST);
    out
}

/// Reads one.
pub fn read(name: &str, text: &str) -> Checklist {
    let (mut title, mut section) = (None, String::new());
    let mut steps: Vec<Step> = Vec::new();
    let mut block: Option<(String, String)> = None;
    for line in text.lines() {
        let bare = line.trim();
        if let Some((fence, command)) = &mut block {
            if bare == fence {
                let command = command.trim_end().to_owned();
                if let Some(step) = steps.last_mut().filter(|s| s.command.is_none() && !command.is_empty()) {
                    step.command = Some(command);
                }
                block = None;
            } else {
                command.push_str(&format!("{bare}\n"));
            }
        } else if bare.starts_with("```") {
            let fence: String = bare.chars().take_while(|c| *c == '`').collect();
            block = Some((fence, String::new()));
        } else if let Some(heading) = bare.strip_prefix("# ") {
            title.get_or_insert_with(|| heading.trim().to_owned());
        } else if bare.starts_with("##") {
            section = bare.trim_start_matches('#').trim().to_owned();
        } else if let Some(step) = ["- [ ] ", "* [ ] ", "- [x] "].iter().find_map(|sign| bare.strip_prefix(sign))
            && steps.len() < MOST
        {
            steps.push(Step { text: step.trim().replace('`', ""), section: section.clone(), command: None });
        }
    }
    Checklist { name: name.to_owned(), title: title.unwrap_or_else(|| name.to_owned()), steps }
}

/// Steps that were not ticked, of the checklists of which a step was, in their order: `Bad deploy: Say so`. `ticked` are
/// kinds and texts of all notes.
pub fn unticked<'a>(lists: &[Checklist], ticked: impl Iterator<Item = (NoteKind, &'a str)> + Clone) -> Vec<String> {
    let is_done =
        |list: &Checklist, step: &Step| ticked.clone().any(|(kind, text)| list.is_ticked_by(step, kind, text));
    let begun = lists.iter().filter(|list| list.steps.iter().any(|step| is_done(list, step)));
    begun.flat_map(|l| l.steps.iter().filter(|s| !is_done(l, s)).map(|s| l.note(s))).collect()
}

impl Checklist {
    /// The words of the note that ticks a step.
    pub fn note(&self, step: &Step) -> String {
        format!("{}: {}", self.title, step.text)
    }

    /// Whether `kind` and `text` are the note that ticks `step`: what somebody adds behind the words changes nothing.
    pub fn is_ticked_by(&self, step: &Step, kind: NoteKind, text: &str) -> bool {
        kind == NoteKind::Step && text.starts_with(&self.note(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_sections_and_the_code_block_below_them_as_a_command() {
        let list = read(
            "x",
            "# Down\n\n## First\n\n- [ ] Look at it\n  ```sh\n  uptime\n  free -m\n  ```\n- [ ] Say so\n```\nlost\n",
        );
        assert_eq!((list.title.as_str(), list.steps.len()), ("Down", 2));
        assert_eq!(list.steps[0].command.as_deref(), Some("uptime\nfree -m"));
        assert_eq!((list.steps[1].section.as_str(), &list.steps[1].command), ("First", &None));
        assert!(list.is_ticked_by(&list.steps[1], NoteKind::Step, "Down: Say so, twice"));
        assert!(!list.is_ticked_by(&list.steps[1], NoteKind::Action, "Down: Say so"));
    }

    #[test]
    fn of_a_checklist_that_was_begun_the_steps_that_are_left_are_told_and_of_others_nothing() {
        let lists = [read("a", "# A\n- [ ] one\n- [ ] two\n- [ ] three\n"), read("b", "# B\n- [ ] four\n")];
        let notes = [(NoteKind::Step, "A: two, at last"), (NoteKind::Observation, "B: four")];
        assert_eq!(unticked(&lists, notes.into_iter()), ["A: one", "A: three"]);
        assert_eq!(unticked(&lists, [].into_iter()), [""; 0]);
    }

    #[test]
    fn five_are_built_in_and_an_own_one_of_the_same_name_takes_its_place() {
        let lists = all(&[]);
        assert_eq!(lists.len(), 5);
        for list in &lists {
            assert!(list.steps.len() >= 6 && list.title != list.name, "{}", list.name);
            assert!(list.steps.iter().any(|s| s.command.is_some()), "{}", list.name);
        }
        let own = all(&[("bad-deploy".into(), "# Ours\n- [ ] call anna\n".into())]);
        assert_eq!((own.len(), own[0].title.as_str()), (5, "Ours"));
    }
}
