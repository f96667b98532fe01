//! Formats text and numbers for the page.

use std::fmt::{self, Display, Write};

/// Text of any origin, escaped for content and quoted attributes.
pub(super) struct Text<T>(pub T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            '\n' | '\t' => self.0.write_char(letter),
            // HTML allows no other control characters.
            _ if letter.is_control() => self.0.write_char(char::REPLACEMENT_CHARACTER),
            _ => self.0.write_char(letter),
        })
    }
}

/// A number with `n_decimals` decimals and a proper minus; a dash for NaN.
pub(super) fn decimals(value: f64, n_decimals: usize) -> String {
    if value.is_nan() {
        return "–".into();
    }
    let text = format!("{value:.n_decimals$}");
    // Numbers that round to zero have no sign.
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| "0.".contains(digit)) => zero.into(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// Like [`decimals`], with a plus sign for positive numbers.
pub(super) fn signed(value: f64, n_decimals: usize) -> String {
    let text = decimals(value, n_decimals);
    if text.starts_with(|first: char| first.is_ascii_digit()) && value > 0.0 {
        return format!("+{text}");
    }
    text
}

/// A number's text with a proper minus.
pub(super) fn minus(text: &str) -> String {
    text.replace('-', "−")
}

/// A count with its noun.
pub(super) fn count(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let text = Text("<script>alert('x' & \"y\")</script>\u{0}\u{1b}[2J");
        let expected = "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;";
        assert_eq!(text.to_string(), format!("{expected}\u{fffd}\u{fffd}[2J"));
    }

    #[test]
    fn zero_has_no_sign_and_no_number_is_a_dash() {
        assert_eq!(
            [decimals(-0.004, 2), decimals(-0.5, 1), decimals(f64::NAN, 2)],
            ["0.00", "−0.5", "–"]
        );
        assert_eq!([signed(0.25, 2), signed(-0.25, 2), signed(0.0, 1)], ["+0.25", "−0.25", "0.0"]);
    }
}
