// Fills the table from layers.json: one more file that has to be there.
fetch("assets/layers.json")
  .then((answer) => answer.json())
  .then((layers) => {
    for (const [index, brings] of layers.entries()) {
      const row = document.getElementById("layers").insertRow();
      row.insertCell().textContent = index + 1;
      row.insertCell().textContent = brings;
    }
  });
