/**
 * Lets a dialog be closed by its button and by a press beside it.
 * @param {HTMLDialogElement} dialog @param {HTMLElement} button
 */
export function closable(dialog, button) {
  button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
