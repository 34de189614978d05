alter type clinic.visit_state add value 'no_show';
