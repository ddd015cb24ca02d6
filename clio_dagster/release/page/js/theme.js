// Light and dark: the system's choice until the reader makes one, remembered where the browser allows it.

const THEMES = ["system", "light", "dark"];
const KEY = "clio-theme";

export function makeTheme(button) {
  let theme = remembered();
  const apply = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    apply();
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // A page opened from disk may have no storage; the choice then lasts as long as the page.
    }
  });
  apply();
}

function remembered() {
  try {
    const stored = localStorage.getItem(KEY);
    return THEMES.includes(stored) ? stored : "system";
  } catch {
    return "system";
  }
}
