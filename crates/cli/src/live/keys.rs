//! What keys do: they change what is shown, ask for a stop or a start, or end the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What is shown, as keys have changed it.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The screen stands still.
    pub is_still: bool,
    /// The help lies over it.
    pub has_help: bool,
    /// What lines must contain.
    pub filter: String,
    /// The filter is being typed.
    pub is_typing: bool,
    /// How many lines of the log are below the last one that is shown.
    pub scrolled: usize,
}

/// What is to be done beyond that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    /// Stop what runs, or start it.
    StopOrStart,
    Quit,
}

/// Lines of a page.
const PAGE: usize = 10;

impl Shown {
    /// Does what a key says. `lines` is how many lines the log has.
    pub fn press(&mut self, key: KeyEvent, lines: usize) -> Wish {
        // Some systems tell the release of a key as well.
        if key.kind == KeyEventKind::Release {
            return Wish::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Wish::Quit } else { Wish::Nothing };
        }
        if self.is_typing {
            self.type_filter(key.code);
            return Wish::Nothing;
        }
        if self.has_help {
            self.has_help = false;
            return if key.code == KeyCode::Char('q') { Wish::Quit } else { Wish::Nothing };
        }
        let most = lines.saturating_sub(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('s') => return Wish::StopOrStart,
            KeyCode::Char('p') => self.is_still = !self.is_still,
            KeyCode::Char('?') => self.has_help = true,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Up => self.scrolled = (self.scrolled + 1).min(most),
            KeyCode::Down => self.scrolled = self.scrolled.saturating_sub(1),
            KeyCode::PageUp => self.scrolled = (self.scrolled + PAGE).min(most),
            KeyCode::PageDown => self.scrolled = self.scrolled.saturating_sub(PAGE),
            KeyCode::Home => self.scrolled = most,
            KeyCode::End => self.scrolled = 0,
            _ => {}
        }
        Wish::Nothing
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => return,
        }
        self.scrolled = 0;
    }

    /// Whether a text passes the filter; case does not matter.
    pub fn passes(&self, text: &str) -> bool {
        self.filter.is_empty() || text.to_lowercase().contains(&self.filter.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(shown: &mut Shown, code: KeyCode) -> Wish {
        shown.press(KeyEvent::new(code, KeyModifiers::NONE), 30)
    }

    #[test]
    fn keys_quit_stop_and_change_what_is_shown() {
        let mut shown = Shown::default();
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(press(&mut shown, code), Wish::Quit);
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        shown.is_typing = true;
        assert_eq!(shown.press(interrupt, 0), Wish::Quit, "whatever is typed");
        shown.is_typing = false;
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(shown.press(released, 0), Wish::Nothing);

        assert_eq!(press(&mut shown, KeyCode::Char('s')), Wish::StopOrStart);
        assert_eq!(press(&mut shown, KeyCode::Char('p')), Wish::Nothing);
        assert!(shown.is_still);
        press(&mut shown, KeyCode::Char('?'));
        assert!(shown.has_help);
        assert_eq!(press(&mut shown, KeyCode::Esc), Wish::Nothing, "it closes the help");
        assert!(!shown.has_help);
    }

    #[test]
    fn the_log_is_scrolled_within_its_lines() {
        let mut shown = Shown::default();
        press(&mut shown, KeyCode::PageUp);
        press(&mut shown, KeyCode::Up);
        assert_eq!(shown.scrolled, 11);
        press(&mut shown, KeyCode::Home);
        press(&mut shown, KeyCode::Up);
        assert_eq!(shown.scrolled, 29);
        press(&mut shown, KeyCode::PageDown);
        press(&mut shown, KeyCode::Down);
        assert_eq!(shown.scrolled, 18);
        press(&mut shown, KeyCode::End);
        press(&mut shown, KeyCode::Down);
        assert_eq!(shown.scrolled, 0);
    }

    #[test]
    fn a_filter_is_typed_kept_and_taken_back() {
        let mut shown = Shown::default();
        assert!(shown.passes("anything"));
        for letter in ['/', 'q', 'S', 'x'] {
            assert_eq!(press(&mut shown, KeyCode::Char(letter)), Wish::Nothing);
        }
        press(&mut shown, KeyCode::Backspace);
        press(&mut shown, KeyCode::Enter);
        assert!(shown.passes("SQS") && !shown.passes("sq"), "{shown:?}");
        assert_eq!(press(&mut shown, KeyCode::Char('/')), Wish::Nothing);
        press(&mut shown, KeyCode::Esc);
        assert!(shown.filter.is_empty() && !shown.is_typing);
    }
}
