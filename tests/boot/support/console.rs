//! What a machine has printed, told apart by who printed it.

/// The lines of one source, or of all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lines<'a>(pub Vec<&'a str>);

impl<'a> Lines<'a> {
    /// All lines of a console.
    pub fn of(console: &'a str) -> Self {
        Self(console.split('\n').map(|line| line.trim_end_matches('\r')).collect())
    }

    /// The lines that begin with `[name]`, without it and the spaces around.
    pub fn from(&self, name: &str) -> Self {
        let text = |line: &&'a str| Some(line.strip_prefix(&format!("[{name}]"))?.trim());
        Self(self.0.iter().filter_map(text).collect())
    }

    /// The lines with `text` in them.
    pub fn with(&self, text: &str) -> Self {
        Self(self.0.iter().copied().filter(|line| line.contains(text)).collect())
    }

    /// The lines between the line with `begin` and the one with `end`.
    pub fn between(&self, begin: &str, end: &str) -> Self {
        let rest = self.0.iter().copied().skip_while(|line| !line.contains(begin)).skip(1);
        Self(rest.take_while(|line| !line.contains(end)).collect())
    }

    /// The last line alone.
    pub fn last(&self) -> Self {
        Self(self.0.last().copied().into_iter().collect())
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last lines, as text.
    pub fn tail(&self, count: usize) -> String {
        self.0[self.0.len().saturating_sub(count)..].join("\n")
    }
}
