//! Keys that work anywhere in the page. What only the editor knows is in `app/js`.

/// What such a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Save the open file.
    Save,
    /// Save every file.
    SaveAll,
    /// Go to a file.
    GoToFile,
    /// Find in all files.
    FindInFiles,
}

/// A key and what is held with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Press<'a> {
    /// The key's letter as the keyboard's layout has it.
    pub key: &'a str,
    /// The key's place on the keyboard, such as `KeyS`: with Alt a Mac's letter is another.
    pub code: &'a str,
    /// Control.
    pub control: bool,
    /// Command on a Mac.
    pub meta: bool,
    /// Shift.
    pub shift: bool,
    /// Alt, or Option on a Mac.
    pub alt: bool,
}

/// What a key does. A Mac's keys are pressed with Command, for Control moves the cursor there.
pub fn command(press: Press<'_>, is_mac: bool) -> Option<Command> {
    let (held, other) = if is_mac { (press.meta, press.control) } else { (press.control, press.meta) };
    if !held || other {
        return None;
    }
    let is = |letter: &str| {
        press.key.eq_ignore_ascii_case(letter)
            || (press.alt
                && press.code.strip_prefix("Key").is_some_and(|code| code.eq_ignore_ascii_case(letter)))
    };
    match (press.shift, press.alt) {
        (false, false) if is("s") => Some(Command::Save),
        (false, true) if is("s") => Some(Command::SaveAll),
        (false, false) if is("p") => Some(Command::GoToFile),
        (true, false) if is("f") => Some(Command::FindInFiles),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_does_one_thing() {
        let control = Press { control: true, ..Press::default() };
        let does = |press| command(press, false);
        assert_eq!(does(Press { key: "s", ..control }), Some(Command::Save));
        assert_eq!(does(Press { key: "S", ..control }), Some(Command::Save));
        assert_eq!(does(Press { key: "s", alt: true, ..control }), Some(Command::SaveAll));
        assert_eq!(does(Press { key: "p", ..control }), Some(Command::GoToFile));
        assert_eq!(does(Press { key: "F", shift: true, ..control }), Some(Command::FindInFiles));
        assert_eq!(does(Press { key: "f", ..control }), None);
        assert_eq!(does(Press { key: "s", ..Press::default() }), None);
        assert_eq!(does(Press { key: "s", meta: true, ..control }), None);
    }

    #[test]
    fn a_macs_keys_are_pressed_with_command() {
        let command_key = Press { key: "p", meta: true, ..Press::default() };
        assert_eq!(command(command_key, true), Some(Command::GoToFile));
        assert_eq!(command(command_key, false), None);
        let odd = Press { key: "ß", code: "KeyS", alt: true, ..command_key };
        assert_eq!(command(odd, true), Some(Command::SaveAll));
        assert_eq!(command(Press { key: "p", control: true, ..Press::default() }, true), None);
    }
}
