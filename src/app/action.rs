//! Every action of the program, declared once. Help, command palette, names in the configuration, the key table in the
//! README and the tests over them come from these rows.

use super::keymap::Context;

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The action.
    pub action: Action,
    /// Its name in the configuration and in the palette.
    pub name: &'static str,
    /// What it does, in one sentence without a full stop.
    pub sentence: &'static str,
    /// Keys it has unless the configuration says otherwise.
    pub keys: &'static [&'static str],
    /// Where the keys count.
    pub context: Context,
    /// Heading in the help.
    pub group: &'static str,
}

macro_rules! actions {
    ($( $group:literal { $( $action:ident $name:literal $context:ident [$($key:literal)*] $sentence:literal ; )* } )*) => {
        /// What the user wants of the screen. Never recorded; the same live and in replay.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($( #[doc = $sentence] $action, )*)* }

        /// All actions in the order of the help.
        pub static ACTIONS: &[Row] = &[ $($( Row {
            action: Action::$action, name: $name, sentence: $sentence, keys: &[$($key),*],
            context: Context::$context, group: $group,
        }, )*)* ];
    };
}

actions! {
    "Notes and incident" {
        Note            "note"              Panes   ["a"]               "add a note; the selected row goes with it";
        OpenIncident    "incident"          Typed   []                  "open an incident, or rename the open one: incident TITLE";
        SetSeverity     "severity"          Typed   []                  "set the incident's severity: severity 1 to 4";
        SetStatus       "status"            Typed   []                  "set the incident's status: status WORDS";
        Milestone       "milestone"         Typed   []                  "record a milestone: started, detected, acknowledged, mitigated or resolved, and when: milestone mitigated 14:26";
        SetRole         "role"              Typed   []                  "say who has a role: role commander NAME; also ops, scribe, comms, liaison, reporter";
        SetServices     "services"          Typed   []                  "say which services are hit: services NAME NAME";
        Incidents       "incidents"         Typed   []                  "list incidents, take one up again, make one a part of another";
        Weigh           "weigh"             Panes   ["A"]               "the selected row speaks for or against an open hypothesis";
        Checklists      "checklist"         Panes   ["K"]               "checklists: tick steps, run their commands";
        Over            "over"              Typed   []                  "take the proposal that it is over: record mitigated at the time it names";
        PostMortem      "post-mortem"       Typed   []                  "write the post-mortem: post-mortem NAME makes NAME.md, NAME.html and NAME.json";
        NotesTo         "notes-to"          Typed   []                  "write notes that are not on disk to another path: notes-to PATH";
    }
    "Find" {
        FilterRequest   "filter-request"    Panes   ["f"]               "filter everything by this row's request ID";
        EditFilter      "filter"            Panes   ["&"]               "edit the filter";
        ClearFilter     "clear-filter"      Panes   ["F"]               "show everything for now; again: bring the filter back";
        Terms           "terms"             Panes   ["X"]               "terms of the filter, to be switched off and on one by one";
        SaveFilter      "save-filter"       Typed   []                  "save the filter by name: save-filter NAME; @NAME and Tab in the filter line brings it back";
        UseFilter       "use-filter"        Typed   []                  "use a saved filter: use-filter NAME";
        Search          "search"            Panes   ["/"]               "search the log rows";
        SearchNext      "search-next"       Panes   ["n"]               "next hit";
        SearchPrevious  "search-previous"   Panes   ["N"]               "previous hit";
        NextError       "next-error"        Panes   ["e"]               "next error";
        PreviousError   "previous-error"    Panes   ["E"]               "previous error";
        NextChange      "next-deploy"       Panes   ["d"]               "next deploy or other change";
        PreviousChange  "previous-deploy"   Panes   ["D"]               "previous deploy or other change";
        NextOfRequest   "next-of-request"   Panes   ["r"]               "next record of the same request";
        PreviousOfRequest "previous-of-request" Panes ["R"]             "previous record of the same request";
        TopValues       "top-values"        Panes   ["t"]               "top values of a field: count, error share, durations, before and after the last deploy";
    }
    "Time" {
        Pause           "pause"             Panes   ["space"]           "pause, and play in replay";
        Live            "live"              Panes   ["L"]               "back to live, or to the end of the recording";
        StepBack        "step-back"         Panes   ["<" "left"]        "one second back";
        StepOn          "step-on"           Panes   [">" "right"]       "one second on";
        MinuteBack      "minute-back"       Panes   ["{"]               "one minute back";
        MinuteOn        "minute-on"         Panes   ["}"]               "one minute on";
        TenBack         "ten-minutes-back"  Panes   ["("]               "ten minutes back";
        TenOn           "ten-minutes-on"    Panes   [")"]               "ten minutes on";
        GoToTime        "go-to-time"        Panes   ["g"]               "go to a time: 14:02, -15m, yesterday 15:00, a pasted stamp";
        SetMark         "mark"              Panes   ["m"]               "set a mark at the playhead";
        NextMark        "next-mark"         Panes   ["'"]               "go to the next mark: yours, notes, deploys, failing probes";
        PinTime         "pin"               Panes   ["c"]               "pin this instant; elsewhere: compare it with the playhead, figure by figure; there: let it go";
        Faster          "faster"            Panes   ["]"]               "replay twice as fast, up to 600×";
        Slower          "slower"            Panes   ["["]               "replay half as fast, down to 0.25×";
        Zone            "zone"              Panes   ["Z"]               "show times in UTC, in this machine's zone, or in the recorded host's";
    }
    "Move and look" {
        Down            "down"              Lists   ["j" "down"]        "one row down";
        Up              "up"                Lists   ["k" "up"]          "one row up";
        PageDown        "page-down"         Lists   ["pgdn" "ctrl-f"]   "one page down";
        PageUp          "page-up"           Lists   ["pgup"]            "one page up";
        Home            "home"              Lists   ["home"]            "to the first row";
        End             "end"               Lists   ["end" "G"]         "to the last row, and follow";
        Open            "open"              Lists   ["enter"]           "open the row: all its fields and lines; a note: the screen it was written on";
        Back            "back"              Lists   ["esc"]             "back one step: overlay, search, newest filter, zoom; never quits";
        Older           "older"             Panes   ["O"]               "take in the rotated files beside the logs, packed ones too: app.log.1, app.log.2.gz";
        Unfold          "unfold"            Panes   ["o"]               "show the folded lines or the collapsed rows in place, or fold them; a note: change it, settle it, delete it";
        ScrollLeft      "scroll-left"       Panes   ["h" "alt-left"]    "show the log rows from further left";
        ScrollRight     "scroll-right"      Panes   ["l" "alt-right"]   "show the log rows from further right";
        Wrap            "wrap"              Panes   ["W"]               "wrap long log rows, or lay each on one line";
        Times           "times"             Panes   ["v"]               "log times: of day, before the playhead, since the row above, as written in the log";
        Columns         "columns"           Panes   ["C"]               "choose columns of the log rows, fields too";
        Repeats         "repeats"           Panes   ["u"]               "collapse log rows that say the same into one with a count, or show them all";
        Mute            "mute"              Panes   ["U"]               "mute lines like this one, or their source; takes it back, too";
        MarkRow         "mark-row"          Panes   ["M"]               "mark the log row, or take its mark away";
        NextMarkedRow   "next-marked-row"   Panes   ["\""]              "go to the next marked row";
        Histogram       "histogram"         Panes   ["H"]               "show or hide the histogram of the zoomed logs";
        Closer          "closer"            Panes   ["i"]               "histogram: a quarter of the span, round the row under the cursor";
        Farther         "farther"           Panes   ["I"]               "histogram: four times the span, up to all of the window";
        Brush           "range"             Panes   ["b"]               "begin a range of time at the log row; again: filter by it, up to the row there";
        MoreContext     "more-context"      Panes   ["+" "="]           "show more rows around hits";
        LessContext     "less-context"      Panes   ["-"]               "show fewer rows around hits";
        Zoom            "zoom"              Panes   ["z"]               "zoom the pane to the whole screen, and back";
        FocusLogs       "logs"              Panes   ["1"]               "focus the logs";
        FocusHost       "host"              Panes   ["2"]               "focus the host";
        FocusDatabase   "database"          Panes   ["3"]               "focus the database";
        FocusDeploys    "deploys"           Panes   ["4"]               "focus deploys and changes";
        FocusHealth     "health"            Panes   ["5"]               "focus health checks";
        FocusIncident   "notes"             Panes   ["6"]               "focus the incident log";
        FocusNext       "next-pane"         Panes   ["tab"]             "focus the next pane";
        FocusPrevious   "previous-pane"     Panes   ["backtab"]         "focus the previous pane";
        NextOf          "next"              Typed   []                  "go to the next event of a kind: next deploy, note, probe, alert, milestone, kill, gap, mark";
        PreviousOf      "previous"          Typed   []                  "go to the previous event of a kind: previous KIND";
        Theme           "theme"             Typed   []                  "use a theme: theme NAME";
    }
    "Take away" {
        CopyRow         "copy"              Panes   ["y"]               "send this row to the terminal's clipboard";
        CopyMenu        "copy-menu"         Panes   ["Y"]               "copy menu: row, request ID, time, filter, this screen";
        Write           "write"             Panes   ["w"]               "write: recording to disk, post-mortem, filtered lines to a file";
    }
    "The box" {
        Explain         "explain"           Panes   ["x"]               "explain the selected statement: its plan, without running it";
        EndSession      "kill"              Panes   []                  "cancel the selected statement or terminate its session, after typing so; only with --allow-kill";
        GiveBack        "give-back"         Panes   ["B"]               "give the database connections back, and take them again";
        Offers          "sources"           Panes   ["s"]               "sources: what is watched, what could be, what cannot be seen";
        SourceRates     "rates"             Panes   ["S"]               "log sources: lines and errors a second, which went quiet, how each is read";
        SaveConfig      "save-config"       Typed   []                  "save what is watched now as the configuration file; never overwrites one";
        Rollback        "rollback"          Typed   []                  "run the configured rollback of a service: rollback SERVICE";
    }
    "The program" {
        Help            "help"              Panes   ["?"]               "keys that work here";
        Palette         "palette"           Panes   [":"]               "every command by name";
        Redraw          "redraw"            Panes   ["ctrl-l"]          "draw the whole screen again";
        Suspend         "suspend"           Panes   ["ctrl-z"]          "stop, give back the terminal and the database connection; fg goes on";
        Quit            "quit"              Panes   ["q"]               "quit; asks when something is unsaved";
    }
}

impl Action {
    /// Its row in the table.
    pub fn row(self) -> &'static Row {
        // The table holds every action; the first row stands in so that no panic can.
        ACTIONS.iter().find(|r| r.action == self).unwrap_or(&ACTIONS[0])
    }

    /// Whether it only moves the playhead, so that it makes sense under a comparison, too.
    pub fn moves_time(self) -> bool {
        self.row().group == "Time" || matches!(self, Action::NextChange | Action::PreviousChange)
    }

    /// By its name in the palette and the configuration.
    pub fn named(name: &str) -> Option<Action> {
        ACTIONS.iter().find(|r| r.name == name).map(|r| r.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_action_has_a_name_of_its_own_and_a_sentence() {
        let names: BTreeSet<_> = ACTIONS.iter().map(|r| r.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
        for row in ACTIONS {
            assert!(!row.sentence.is_empty() && !row.sentence.ends_with('.'), "{}", row.name);
        }
    }

    #[test]
    fn what_changes_the_world_has_no_single_key() {
        assert!(Action::Rollback.row().keys.is_empty());
    }
}
