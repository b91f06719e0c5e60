/**
 * Has a screen reader say something when it has finished what it is saying.
 * @param {string} text
 */
export function announce(text) {
  const region = document.querySelector('#announcements');
  if (region && region.textContent !== text) region.textContent = text;
}
