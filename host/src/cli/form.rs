//! How much of an answer is printed, and for whom.

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// Everything: whole digests, every statistic, versions that nothing routes to.
    Wide,
    /// One line of JSON.
    Json,
}

/// The form that was asked for; short columns where none was.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Shape {
    /// More than the short columns, or one line of JSON.
    #[arg(short = 'o', long = "output", value_name = "FORM")]
    output: Option<Form>,
    /// The same as `-o json`.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl Shape {
    pub(super) fn is_json(&self) -> bool {
        self.json || self.output == Some(Form::Json)
    }

    pub(super) fn is_wide(&self) -> bool {
        self.output == Some(Form::Wide)
    }
}
