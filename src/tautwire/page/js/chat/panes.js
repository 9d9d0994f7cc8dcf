// The conversations that are shown, by place: "first" and, with a second person, "second".

const panes = new Map();

export const pane = (place) => panes.get(place);
export const putPane = (place, shown) => panes.set(place, shown);
export const dropPane = (place) => {
  panes.get(place)?.end();
  panes.delete(place);
};
