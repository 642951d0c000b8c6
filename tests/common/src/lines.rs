//! The lines of a console.

/// Lines that a machine has printed: all of them, or a selection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lines<'a>(pub Vec<&'a str>);

impl<'a> Lines<'a> {
    /// Splits the text of a console into its lines.
    pub fn of(console: &'a str) -> Self {
        Self(console.split('\n').map(|line| line.trim_end_matches('\r')).collect())
    }

    /// Selects the lines that begin with `[name]`, without that prefix and the spaces around.
    pub fn from_source(&self, name: &str) -> Self {
        let text = |line: &&'a str| Some(line.strip_prefix(&format!("[{name}]"))?.trim());
        Self(self.0.iter().filter_map(text).collect())
    }

    /// Selects the lines that contain `text`.
    pub fn containing(&self, text: &str) -> Self {
        Self(self.0.iter().copied().filter(|line| line.contains(text)).collect())
    }

    /// Selects the lines between the first that contains `begin` and the next that contains `end`.
    pub fn between(&self, begin: &str, end: &str) -> Self {
        let rest = self.0.iter().copied().skip_while(|line| !line.contains(begin)).skip(1);
        Self(rest.take_while(|line| !line.contains(end)).collect())
    }

    /// Selects the last line.
    pub fn last(&self) -> Self {
        Self(self.0.last().copied().into_iter().collect())
    }

    /// Returns whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last `count` lines as text.
    pub fn tail(&self, count: usize) -> String {
        self.0[self.0.len().saturating_sub(count)..].join("\n")
    }
}
